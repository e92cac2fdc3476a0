/** Who and what is in the catalogue: how many of each kind, their names, ids and places in the tree. */
import { createHash } from 'node:crypto';

export type EntityType = 'databaseService' | 'database' | 'databaseSchema' | 'table' | 'user' | 'team' | 'glossaryTerm' | 'tag';

export interface World {
  readonly seed: number;
  readonly count: Readonly<Record<EntityType, number>>;
}

/** Fully qualified names, dot by dot as OpenMetadata builds them. */
export interface Names {
  readonly name: string;
  readonly fqn: string;
}

const TABLES_PER_SCHEMA = 200;
const SCHEMAS_PER_DATABASE = 10;
const DATABASES_PER_SERVICE = 5;
const TAGS = 60;
/** An installation has thousands of users at most, however many tables. */
const USERS_MOST = 2_000;

/** Everything follows from the number of tables that are catalogued. */
export function worldOf(tables: number, seed: number): World {
  const databaseSchema = Math.max(1, Math.ceil(tables / TABLES_PER_SCHEMA));
  const database = Math.ceil(databaseSchema / SCHEMAS_PER_DATABASE);
  const user = Math.max(5, Math.min(USERS_MOST, tables >> 5));
  return {
    seed,
    count: {
      databaseService: Math.ceil(database / DATABASES_PER_SERVICE),
      database,
      databaseSchema,
      table: tables,
      user,
      team: Math.max(2, user >> 4),
      glossaryTerm: Math.max(5, tables >> 6),
      tag: TAGS,
    },
  };
}

/** The number of the parent of the i-th entity. */
export const parentOf = {
  database: (i: number): number => Math.floor(i / DATABASES_PER_SERVICE),
  databaseSchema: (i: number): number => Math.floor(i / SCHEMAS_PER_DATABASE),
  table: (i: number): number => Math.floor(i / TABLES_PER_SCHEMA),
} as const;

const namesOf: Readonly<Record<EntityType, (i: number) => Names>> = {
  databaseService: (i) => alone(`svc_${i}`),
  database: (i) => under('databaseService', parentOf.database(i), `db_${i}`),
  databaseSchema: (i) => under('database', parentOf.databaseSchema(i), `schema_${i}`),
  table: (i) => under('databaseSchema', parentOf.table(i), `t_${i}`),
  user: (i) => alone(`user_${i}`),
  team: (i) => alone(`team_${i}`),
  glossaryTerm: (i) => ({ name: `term_${i}`, fqn: `Glossary.term_${i}` }),
  tag: (i) => ({ name: `tag_${i}`, fqn: `PII.tag_${i}` }),
};

export const names = (type: EntityType, i: number): Names => namesOf[type](i);

export const columnFqn = (table: number, column: number): string => `${names('table', table).fqn}.c_${column}`;

/** OpenMetadata's own hash of a name: MD5 of each part, joined with dots. */
export const fqnHash = (fqn: string): string => fqn.split('.').map(md5).join('.');

export const idOf = (world: World, type: string, i: number): string => uuid(`${world.seed}/${type}/${i}`);

export function md5(text: string): string {
  return createHash('md5').update(text).digest('hex');
}

function alone(name: string): Names {
  return { name, fqn: name };
}

function under(type: EntityType, parent: number, name: string): Names {
  return { name, fqn: `${names(type, parent).fqn}.${name}` };
}

function uuid(text: string): string {
  const hex = md5(text);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
}
