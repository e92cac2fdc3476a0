import { z } from 'zod';
import type { Assertion } from '../../backup/types.ts';
import type { Services } from '../contract.ts';
import { MYSQL } from '../openmetadata/dialect.ts';
import { collectFacts } from '../openmetadata/facts.ts';
import { MARKER } from './catalog.ts';
import type { Connection } from './connect.ts';
import type { LaneFacts, ServerFacts } from './dump-facts.ts';

/** What a restore must know beside the rows, as of the lane's instant. */
export const readFacts = async (
  connection: Connection,
  services: Services,
): Promise<Pick<LaneFacts, 'server' | 'assertions' | 'notIncluded'>> => ({
  server: await readServer(connection),
  assertions: await collectAssertions(connection, services),
  notIncluded: {},
});

const Schema = z.object({ database: z.string(), charset: z.string(), collation: z.string() });

const readServer = async (connection: Connection): Promise<ServerFacts> => {
  const [schema] = await connection.rows(
    Schema,
    `SELECT schema_name AS \`database\`, default_character_set_name AS charset, default_collation_name AS collation
       FROM information_schema.schemata WHERE schema_name = DATABASE()`,
    'reading the catalogue',
  );
  if (schema === undefined) throw new Error('the database of this session is in no list');
  return { product: connection.product, version: connection.versionText, versionNumber: connection.version, ...schema };
};

/** What a database says of itself beside its rows: at the backup's instant, and again when it is restored. */
export const collectAssertions = async (connection: Connection, services: Services): Promise<Assertion[]> => {
  const { fernetKey } = connection.address;
  const facts = await collectFacts((sql) => connection.query(sql, 'reading what OpenMetadata says of itself'), {
    dialect: MYSQL,
    ...(fernetKey === undefined ? {} : { fernetKey: await services.secret(fernetKey) }),
  });
  return [...(await countObjects(connection)), ...facts];
};

const COUNTS: readonly (readonly [name: string, sql: string])[] = [
  ['tables', `tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND table_name <> '${MARKER}'`],
  ['columns', `columns WHERE table_schema = DATABASE() AND table_name <> '${MARKER}'`],
  ['generated-columns', `columns WHERE table_schema = DATABASE() AND coalesce(generation_expression, '') <> ''`],
  ['index-columns', `statistics WHERE table_schema = DATABASE() AND table_name <> '${MARKER}'`],
  ['foreign-keys', 'referential_constraints WHERE constraint_schema = DATABASE()'],
  ['views', 'views WHERE table_schema = DATABASE()'],
  ['triggers', 'triggers WHERE trigger_schema = DATABASE()'],
  ['routines', 'routines WHERE routine_schema = DATABASE()'],
  ['events', 'events WHERE event_schema = DATABASE()'],
];

const Count = z.object({ n: z.coerce.string() });

/** Objects by kind, equal after a restore: `mysql.index-columns` is `212`. */
const countObjects = async (connection: Connection): Promise<Assertion[]> => {
  const counted: Assertion[] = [];
  for (const [name, from] of COUNTS) {
    const [row] = await connection.rows(Count, `SELECT count(*) AS n FROM information_schema.${from}`, 'counting objects');
    counted.push({ name: `mysql.${name}`, value: row?.n ?? '0' });
  }
  return counted;
};
