import { LifeboatError } from '../../errors.ts';
import type { Services, Stage } from '../contract.ts';
import type { PostgresAddress } from './address.ts';
import { type Connection, withConnection } from './connect.ts';
import { sqlStateOf } from './errors.ts';
import { identifier, literal } from './sql.ts';

/** Only databases of this name are ever made or dropped. */
export const SCRATCH_PREFIX = 'lifeboat_drill_';

/** One of these is on every server; a database cannot be made or dropped from within itself. */
const MAINTENANCE_DATABASES = ['postgres', 'template1'] as const;
const DUPLICATE_DATABASE = '42P04';

export const isScratchName = (database: string): boolean => database.startsWith(SCRATCH_PREFIX);

export function refuseUnlessScratch(address: PostgresAddress): void {
  if (isScratchName(address.database)) return;
  throw new LifeboatError('TargetUnusable', `database "${address.database}" is no scratch database: its name does not begin with ${SCRATCH_PREFIX}`, {
    hint: 'A drill makes and drops a database of its own; name a server, and leave the database to it.',
  });
}

/** Makes the scratch database unless it is there. */
export async function createScratch(address: PostgresAddress, services: Services, locale: { readonly collate?: string; readonly ctype?: string } = {}): Promise<void> {
  refuseUnlessScratch(address);
  await onServer(address, services, async (connection) => {
    const make = `CREATE DATABASE ${identifier(address.database)} TEMPLATE template0 ENCODING 'UTF8'`;
    const wanted = [
      ...(locale.collate === undefined ? [] : [`LC_COLLATE ${literal(locale.collate)}`]),
      ...(locale.ctype === undefined ? [] : [`LC_CTYPE ${literal(locale.ctype)}`]),
    ].join(' ');
    try {
      await connection.run(`${make} ${wanted}`, 'creating the scratch database');
    } catch (error) {
      if (sqlStateOf(error) !== DUPLICATE_DATABASE) throw error;
    }
  });
}

/** Drops the scratch database, with the sessions in it; done when it is not there. */
export const discardStage = (address: PostgresAddress, services: Services): Stage => ({
  name: 'discard',
  mode: 'independent',
  async *plan() {
    yield { task: {} };
  },
  async run() {
    refuseUnlessScratch(address);
    await onServer(address, services, (connection) =>
      connection.run(`DROP DATABASE IF EXISTS ${identifier(address.database)} WITH (FORCE)`, 'dropping the scratch database'),
    );
    return { segments: [], digests: [] };
  },
});

export async function onServer<Result>(address: PostgresAddress, services: Services, work: (connection: Connection) => Promise<Result>): Promise<Result> {
  const [first, second] = MAINTENANCE_DATABASES;
  try {
    return await withConnection(address, services, work, { database: first, otherwise: 'TargetProblem' });
  } catch (error) {
    if (!(error instanceof LifeboatError && error.code === 'NoSuchDatabase')) throw error;
    return withConnection(address, services, work, { database: second, otherwise: 'TargetProblem' });
  }
}
