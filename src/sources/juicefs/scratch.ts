import { existsSync } from 'node:fs';
import { LifeboatError } from '../../errors.ts';
import type { Services, Stage } from '../contract.ts';
import { isScratch, type JuicefsAddress, pathOf, SCRATCH_PREFIX } from './address.ts';
import { openMysqlAt, openPostgresAt } from './engines/open.ts';
import type { SqlSession } from './engines/sql.ts';
import { removeSqlite } from './engines/sqlite.ts';

/** One of these is on every PostgreSQL server; a database cannot be made from within itself. */
const MAINTENANCE_DATABASE = 'postgres';

export const refuseUnlessScratch = (address: JuicefsAddress): void => {
  if (isScratch(address)) return;
  throw new LifeboatError('TargetUnusable', `the target is no scratch target: its name does not begin with ${SCRATCH_PREFIX}`, {
    hint: 'A drill makes and removes a target of its own.',
  });
};

const onServer = async (address: JuicefsAddress, services: Services, use: (session: SqlSession) => Promise<void>): Promise<void> => {
  const session =
    address.engine === 'postgres'
      ? await openPostgresAt(address, services, MAINTENANCE_DATABASE)
      : await openMysqlAt(address, services, undefined);
  try {
    await use(session);
  } finally {
    await session.close();
  }
};

const exists = async (address: JuicefsAddress, session: SqlSession): Promise<boolean> => {
  const name = session.dialect.text(address.database);
  const sql =
    address.engine === 'postgres'
      ? `SELECT 1 FROM pg_database WHERE datname = ${name}`
      : `SELECT 1 FROM information_schema.schemata WHERE schema_name = ${name}`;
  return (await session.rows(sql, 'looking for the scratch database')).length > 0;
};

/** True for whatever is not a scratch target, which is never made. */
export const scratchExists = async (address: JuicefsAddress, services: Services): Promise<boolean> => {
  if (address.engine === 'sqlite3') return existsSync(pathOf(address, services.temporary));
  if (!isScratch(address)) return true;
  let found = false;
  await onServer(address, services, async (session) => {
    found = await exists(address, session);
  });
  return found;
};

export const makeScratch = async (address: JuicefsAddress, services: Services): Promise<void> => {
  refuseUnlessScratch(address);
  if (address.engine !== 'postgres' && address.engine !== 'mysql') return;
  await onServer(address, services, async (session) => {
    if (!(await exists(address, session)))
      await session.run(`CREATE DATABASE ${session.dialect.column(address.database)}`, 'making the scratch database');
  });
};

export const discardStage = (address: JuicefsAddress, services: Services): Stage => ({
  name: 'discard',
  mode: 'independent',
  async *plan() {
    yield { task: {} };
  },
  async run() {
    refuseUnlessScratch(address);
    if (address.engine === 'sqlite3') removeSqlite(pathOf(address, services.temporary));
    else
      await onServer(address, services, async (session) => {
        const force = address.engine === 'postgres' ? ' WITH (FORCE)' : '';
        await session.run(`DROP DATABASE IF EXISTS ${session.dialect.column(address.database)}${force}`, 'removing the scratch database');
      });
    return { segments: [], digests: [] };
  },
});
