import { z } from 'zod';
import type { Facts, Problem } from '../contract.ts';
import type { MysqlAddress } from './address.ts';
import { whyNotLockFree } from './binlog-snapshot.ts';
import { LOCKABLE, MARKER, OWN_TABLES, TRANSACTIONAL } from './catalog.ts';
import type { Connection } from './connect.ts';

/** Names listed in one problem; the rest is counted. */
const NAMES_MAX = 10;

/** What stands in the way of a backup, each found by one query that lists names. */
interface Check {
  readonly code: string;
  /** Rows have one column, `name`; none means no problem. */
  readonly sql: string;
  readonly message: (names: string) => string;
  readonly hint: string;
}

const CHECKS: readonly Check[] = [
  {
    code: 'SystemVersioned',
    sql: `SELECT t.table_name AS name FROM information_schema.tables t WHERE ${OWN_TABLES} AND t.table_type = 'SYSTEM VERSIONED' ORDER BY 1`,
    message: (names) => `the history of the rows of ${names} would be lost`,
    hint: 'System-versioned tables cannot be restored with their history; drop the versioning, or keep these by another tool.',
  },
  {
    code: 'UnfinishedRestore',
    sql: `SELECT t.table_name AS name FROM information_schema.tables t WHERE t.table_schema = DATABASE() AND t.table_name = '${MARKER}'`,
    message: (name) => `the database holds a restore that did not end, or whose marker was not dropped (${name})`,
    hint: `Finish or repeat that restore first. After a load by hand that ended with 0: DROP TABLE ${MARKER}.`,
  },
];

const Named = z.object({ name: z.string() });
const Basics = z.object({ name: z.string().nullable(), bytes: z.coerce.number() });

/** Version, place, content, size and all problems. Changes nothing. */
export const inspectDatabase = async (connection: Connection): Promise<Facts> => {
  const [basics] = await connection.rows(
    Basics,
    'SELECT DATABASE() AS name, (SELECT coalesce(sum(data_length), 0) FROM information_schema.tables WHERE table_schema = DATABASE()) AS bytes',
    'asking for the size of the database',
  );
  const problems: Problem[] = await otherEngines(connection);
  for (const check of CHECKS) {
    const names = (await connection.rows(Named, check.sql, 'inspecting the database')).map(({ name }) => name);
    // A marker with its last row is of a load by hand that ended well.
    if (check.code === 'UnfinishedRestore' && names.length > 0 && (await isComplete(connection))) continue;
    if (names.length > 0) problems.push({ code: check.code, message: check.message(list(names)), hint: check.hint });
  }
  problems.push(...(await barrierProblems(connection)), ...(await privileges(connection)));
  return {
    product: connection.product,
    version: connection.versionText,
    place: await placeOf(connection),
    content: connection.address.database,
    bytes: basics?.bytes ?? 0,
    problems,
  };
};

const isComplete = async (connection: Connection): Promise<boolean> =>
  (await connection.query(`SELECT item FROM ${MARKER} WHERE item = 'complete'`, 'looking for the marker')).length > 0;

const Engine = z.object({ name: z.string(), engine: z.string().nullable() });

const OTHER_ENGINES = `SELECT t.table_name AS name, t.engine AS engine FROM information_schema.tables t
 WHERE ${OWN_TABLES} AND t.table_type = 'BASE TABLE' AND coalesce(t.engine, '') <> '${TRANSACTIONAL}' ORDER BY 1`;

/** Tables that no snapshot has: refused, unless the owner wants them read under the lock. */
const otherEngines = async (connection: Connection): Promise<Problem[]> => {
  const { underLock } = connection.address;
  const found = await connection.rows(Engine, OTHER_ENGINES, 'inspecting the database');
  const refused = found.filter(
    ({ name, engine }) => !(LOCKABLE.has(engine ?? '') && (underLock.includes('*') || underLock.includes(name))),
  );
  if (refused.length === 0) return [];
  const lockable = refused.filter(({ engine }) => LOCKABLE.has(engine ?? ''));
  const listed = JSON.stringify(lockable.map(({ name }) => name).slice(0, NAMES_MAX));
  const wayOut = lockable.length === 0 ? '' : `, or, if their writers may wait while they are read, "underLock": ${listed} in this source`;
  return [
    {
      code: 'EngineUnsupported',
      message: `no snapshot has the rows of ${list(refused.map(({ name, engine }) => `${name} (${engine ?? 'broken'})`))}`,
      hint: `ALTER TABLE … ENGINE=InnoDB${wayOut}.`,
    },
  ];
};

/** Asking for the way without a lock where it cannot be gone. */
const barrierProblems = async (connection: Connection): Promise<Problem[]> => {
  if (connection.address.barrier !== 'binlog-snapshot') return [];
  const why = await whyNotLockFree(connection);
  const hint = 'Use barrier "auto", which locks the tables for some milliseconds where it must.';
  return why === undefined ? [] : [{ code: 'BarrierImpossible', message: `barrier "binlog-snapshot" cannot be had: ${why}`, hint }];
};

const GRANT = /^GRANT (.+) ON (\S+) TO /;

const NEEDED: Readonly<Record<MysqlAddress['barrier'], readonly string[]>> = {
  auto: ['LOCK TABLES'],
  'binlog-snapshot': [],
  'lock-tables': ['LOCK TABLES'],
  'global-lock': ['RELOAD'],
};

/**
 * What the user may do, from SHOW GRANTS: information_schema hides what roles bring, and on RDS more. A user whose grants cannot be
 * read that way is believed; the lock of the tables then says what is missing.
 */
const privileges = async (connection: Connection): Promise<Problem[]> => {
  const rows = await connection.query('SHOW GRANTS', 'asking for the privileges');
  const { database, barrier } = connection.address;
  const grants = rows.flatMap((row) => {
    const [, what, where] = GRANT.exec(String(Object.values(row)[0])) ?? [];
    return what !== undefined && where !== undefined && covers(where, database) ? what.toUpperCase().split(/,\s*/) : [];
  });
  const has = (name: string): boolean => grants.some((grant) => grant === name || grant.startsWith('ALL PRIVILEGES'));
  const usesRoles = rows.some((row) => !/ ON /.test(String(Object.values(row)[0])));
  const needed = ['SELECT', 'SHOW VIEW', 'TRIGGER', 'EVENT', ...NEEDED[barrier]];
  const missing = needed.filter((name) => !has(name));
  if (missing.length === 0 || usesRoles) return [];
  return [
    {
      code: 'PermissionDenied',
      message: `user "${connection.address.user}" lacks ${missing.join(', ')} on database "${database}"`,
      hint: `GRANT ${needed.filter((name) => name !== 'RELOAD').join(', ')} ON ${database}.* to it${barrier === 'global-lock' ? ', and RELOAD ON *.*' : ''}.`,
    },
  ];
};

/** `*.*`, or a pattern of a database in which `_` and `%` may be escaped. */
const covers = (where: string, database: string): boolean => {
  const [pattern = ''] = where.replaceAll('`', '').split('.');
  if (pattern === '*') return true;
  const expression = pattern
    .split(/(\\[_%]|[_%])/)
    .map((part) => (part === '%' ? '.*' : part === '_' ? '.' : part.replace(/^\\/, '').replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')))
    .join('');
  return new RegExp(`^${expression}$`).test(database);
};

const list = (names: readonly string[]): string => {
  const shown = names.slice(0, NAMES_MAX).join(', ');
  return names.length > NAMES_MAX ? `${shown} and ${names.length - NAMES_MAX} more` : shown;
};

const Server = z.object({ identity: z.string(), host: z.string(), port: z.coerce.number() });

/**
 * `<identity>/<host>:<port>/<database>`, all in the server's own eyes, so that two names of one server are one place. The identity is
 * MySQL's server_uuid; MariaDB has none in all versions, and there its folder stands for it.
 */
export const placeOf = async (connection: Connection, database: string = connection.address.database): Promise<string> => {
  const identity = connection.product === 'MySQL' ? '@@server_uuid' : '@@datadir';
  const [server] = await connection.rows(
    Server,
    `SELECT substr(sha2(${identity}, 256), 1, 12) AS identity, @@hostname AS host, @@port AS port`,
    'asking the server who it is',
  );
  if (server === undefined) throw new Error('a SELECT without FROM has one row');
  return `${server.identity}/${server.host}:${server.port}/${database}`;
};
