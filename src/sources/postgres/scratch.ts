import { LifeboatError } from '../../errors.ts';
import type { Services, Stage } from '../contract.ts';
import type { PostgresAddress } from './address.ts';
import { type Connection, withConnection } from './connect.ts';
import type { ServerFacts } from './dump-facts.ts';
import { sqlStateOf } from './errors.ts';
import { identifier, literal } from './sql.ts';

/** Only databases of this name are ever made or dropped. */
export const SCRATCH_PREFIX = 'lifeboat_drill_';

/** One of these is on every server; a database cannot be made or dropped from within itself. */
const MAINTENANCE_DATABASES = ['postgres', 'template1'] as const;
const DUPLICATE_DATABASE = '42P04';
/** A locale or a provider that the server does not know: wrong object, invalid value, wrong for the encoding, unknown option, no support. */
const LOCALE_REFUSED: readonly string[] = ['42809', '22023', '42P17', '42601', '0A000', '42704'];

export const isScratchName = (database: string): boolean => database.startsWith(SCRATCH_PREFIX);

export function refuseUnlessScratch(address: PostgresAddress): void {
  if (isScratchName(address.database)) return;
  throw new LifeboatError(
    'TargetUnusable',
    `database "${address.database}" is no scratch database: its name does not begin with ${SCRATCH_PREFIX}`,
    {
      hint: 'A drill makes and drops a database of its own; name a server, and leave the database to it.',
    },
  );
}

type Locale = Pick<ServerFacts, 'collate' | 'ctype' | 'localeProvider' | 'locale'>;

/**
 * Makes the scratch database unless it is there, with the locale of the source where this server has it: a generated column may hang
 * on it, lower() does. Answers whether it has.
 */
export async function createScratch(address: PostgresAddress, services: Services, locale: Locale): Promise<'source' | 'server'> {
  refuseUnlessScratch(address);
  return onServer(address, services, async (connection) => {
    const make = `CREATE DATABASE ${identifier(address.database)} TEMPLATE template0 ENCODING 'UTF8'`;
    try {
      await connection.run(`${make} ${localeSql(locale, connection.version)}`, 'creating the scratch database');
      return 'source';
    } catch (error) {
      const state = sqlStateOf(error) ?? '';
      if (state === DUPLICATE_DATABASE) return 'source';
      if (!LOCALE_REFUSED.includes(state)) throw error;
    }
    await connection.run(make, 'creating the scratch database');
    return 'server';
  });
}

function localeSql({ collate, ctype, localeProvider, locale }: Locale, version: number): string {
  const libc = `LC_COLLATE ${literal(collate)} LC_CTYPE ${literal(ctype)}`;
  if (version < 150_000 || locale === null) return libc;
  if (localeProvider === 'i') return `${libc} LOCALE_PROVIDER icu ICU_LOCALE ${literal(locale)}`;
  return localeProvider === 'b' ? `${libc} LOCALE_PROVIDER builtin BUILTIN_LOCALE ${literal(locale)}` : libc;
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

export async function onServer<Result>(
  address: PostgresAddress,
  services: Services,
  work: (connection: Connection) => Promise<Result>,
): Promise<Result> {
  const [first, second] = MAINTENANCE_DATABASES;
  try {
    return await withConnection(address, services, work, { database: first, otherwise: 'TargetProblem' });
  } catch (error) {
    if (!(error instanceof LifeboatError && error.code === 'NoSuchDatabase')) throw error;
    return withConnection(address, services, work, { database: second, otherwise: 'TargetProblem' });
  }
}
