/** Rows of the entity tables: a hash and a JSON document each. */
import { fernet } from './fernet.ts';
import { type Random, random } from './random.ts';
import type { TableRows } from './rows.ts';
import { columnFqn, type EntityType, fqnHash, idOf, md5, names, parentOf, type World } from './world.ts';

type Json = Readonly<Record<string, unknown>>;

/** 2024-06-10T06:13:20Z, in ms as everywhere in OpenMetadata. */
export const EPOCH_MS = 1_718_000_000_000;
/** Changes are spread over 463 days from then on. */
const UPDATES_WITHIN_MS = 4e10;

const DATA_TYPES = ['VARCHAR', 'BIGINT', 'TIMESTAMP', 'DECIMAL', 'BOOLEAN', 'JSON', 'DOUBLE', 'DATE', 'STRUCT', 'ARRAY'] as const;
/** Every so often a table is very wide, and its JSON goes out of line (TOAST). */
const WIDE_EVERY = 997;
const WIDE_COLUMNS = 600;

export function entityRows(world: World): readonly TableRows[] {
  const rows = (table: string, type: EntityType, more: (i: number, chance: Random) => Json): TableRows => ({
    table,
    columns: [table === 'dbservice_entity' || type === 'user' || type === 'team' ? 'nameHash' : 'fqnHash', 'json'],
    *rows() {
      const chance = random(world.seed, table);
      for (let i = 0; i < world.count[type]; i += 1) {
        yield [fqnHash(names(type, i).fqn), JSON.stringify({ ...common(world, type, i, chance), ...more(i, chance) })];
      }
    },
  });

  return [
    rows('dbservice_entity', 'databaseService', (i, chance) => ({
      serviceType: chance.pick(['Snowflake', 'BigQuery', 'Postgres']),
      connection: { config: { type: 'Snowflake', username: 'svc', password: fernet(`password of service ${i}`), account: 'acc' } },
    })),
    rows('database_entity', 'database', (i, chance) => ({
      description: chance.sentence(20),
      service: reference(world, 'databaseService', parentOf.database(i)),
    })),
    rows('database_schema_entity', 'databaseSchema', (i, chance) => ({
      description: chance.sentence(20),
      database: reference(world, 'database', parentOf.databaseSchema(i)),
    })),
    rows('table_entity', 'table', (i, chance) => table(world, i, chance)),
    rows('user_entity', 'user', (i) => ({ email: `user_${i}@example.org`, isAdmin: i === 0, isBot: false })),
    rows('team_entity', 'team', () => ({ teamType: 'Group' })),
    rows('glossary_term_entity', 'glossaryTerm', (i, chance) => ({
      displayName: i % 5 === 0 ? null : chance.sentence(2),
      description: chance.sentence(40),
    })),
    rows('tag', 'tag', (_, chance) => ({ description: chance.sentence(20) })),
  ];
}

/** The fields that all entities have. */
export function common(world: World, type: EntityType, i: number, chance: Random): Json {
  const id = idOf(world, type, i);
  const { name, fqn } = names(type, i);
  return {
    id,
    name,
    fullyQualifiedName: fqn,
    version: 0.1 + chance.below(20) / 10,
    updatedAt: EPOCH_MS + chance.below(UPDATES_WITHIN_MS),
    updatedBy: chance.pick(['admin', 'ingestion-bot', names('user', chance.below(world.count.user)).name]),
    deleted: chance.chance(0.02),
    href: `http://localhost:8585/api/v1/${type}s/${id}`,
  };
}

export const columns = (table: number, count: number, chance: Random): readonly Json[] =>
  Array.from({ length: count }, (_, column) => ({
    name: `c_${column}`,
    dataType: chance.pick(DATA_TYPES),
    fullyQualifiedName: columnFqn(table, column),
    tags: [],
  }));

function table(world: World, i: number, chance: Random): Json {
  const count = 5 + chance.below(25) + (i % WIDE_EVERY === 0 ? WIDE_COLUMNS : 0);
  return {
    ...(chance.chance(0.3) ? { displayName: chance.sentence(3) } : {}),
    description: chance.sentence(10 + chance.below(60)),
    tableType: chance.pick(['Regular', 'View', 'External']),
    columns: columns(i, count, chance).map((column, position) => ({
      ...column,
      dataTypeDisplay: 'varchar(256)',
      dataLength: chance.below(4_000),
      ordinalPosition: position + 1,
      ...(chance.chance(0.5) ? { description: chance.sentence(4 + chance.below(14)) } : {}),
      constraint: position === 0 ? 'PRIMARY_KEY' : 'NULL',
      tags: chance.chance(0.1) ? [tagLabel(names('tag', chance.below(world.count.tag)).fqn)] : [],
    })),
    databaseSchema: reference(world, 'databaseSchema', parentOf.table(i)),
    service: reference(world, 'databaseService', parentOf.database(parentOf.databaseSchema(parentOf.table(i)))),
    serviceType: 'Snowflake',
    sourceUrl: `https://app.example/${idOf(world, 'source', i)}`,
    changeDescription: {
      fieldsAdded: [],
      fieldsUpdated: [{ name: 'description', oldValue: chance.sentence(6), newValue: chance.sentence(6) }],
      fieldsDeleted: [],
      previousVersion: 0.1,
    },
    sourceHash: md5(`${world.seed}/source/${i}`),
  };
}

const tagLabel = (tagFQN: string): Json => ({ tagFQN, source: 'Classification', labelType: 'Manual', state: 'Confirmed', style: {} });

function reference(world: World, type: EntityType, i: number): Json {
  const id = idOf(world, type, i);
  const { name, fqn } = names(type, i);
  return { id, type, name, fullyQualifiedName: fqn, deleted: false, href: `http://localhost:8585/api/v1/${type}s/${id}` };
}
