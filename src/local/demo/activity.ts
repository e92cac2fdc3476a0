/** Rows that grow with use: relationships, tags, versions, profiles, events. */
import { columns, common, EPOCH_MS } from './entities.ts';
import { random } from './random.ts';
import type { TableRows, Value } from './rows.ts';
import { columnFqn, type EntityType, fqnHash, idOf, names, parentOf, type World } from './world.ts';

/** Numbers of OpenMetadata's Relationship enum. */
const RELATION = { contains: 0, owns: 8, has: 10, upstream: 13 } as const;
const DAY_MS = 86_400_000;
const PROFILED_DAYS = 2;
const PROFILED_COLUMNS = 3;

export const activityRows = (world: World): readonly TableRows[] => [
  relationships(world),
  tagUsage(world),
  versions(world),
  profiles(world),
  changeEvents(world),
  auditLog(world),
];

type End = readonly [type: EntityType, i: number];

const relationships = (world: World): TableRows => ({
  table: 'entity_relationship',
  columns: ['fromId', 'toId', 'fromEntity', 'toEntity', 'relation', 'jsonSchema', 'json'],
  *rows() {
    const chance = random(world.seed, 'entity_relationship');
    const { count } = world;
    const link = (from: End, to: End, relation: number, schema: string | null = null, json: string | null = null): readonly Value[] => [
      idOf(world, ...from),
      idOf(world, ...to),
      from[0],
      to[0],
      relation,
      schema,
      json,
    ];
    for (let i = 0; i < count.database; i += 1) {
      yield link(['databaseService', parentOf.database(i)], ['database', i], RELATION.contains);
    }
    for (let i = 0; i < count.databaseSchema; i += 1) {
      yield link(['database', parentOf.databaseSchema(i)], ['databaseSchema', i], RELATION.contains);
    }
    for (let i = 0; i < count.table; i += 1) {
      yield link(['databaseSchema', parentOf.table(i)], ['table', i], RELATION.contains);
      yield link(['user', (i * 7919) % count.user], ['table', i], RELATION.owns);
      if (i > 0 && i % 3 === 0) {
        yield link(['table', i - 1], ['table', i], RELATION.upstream, 'lineageDetails', lineage(i - 1, i, chance.sentence(8)));
      }
    }
    for (let i = 0; i < count.user; i += 1) yield link(['team', i % count.team], ['user', i], RELATION.has);
  },
});

function lineage(from: number, to: number, condition: string): string {
  const sqlQuery = `insert into ${names('table', to).fqn} select * from ${names('table', from).fqn} where x = '${condition}'`;
  const columnsLineage = Array.from({ length: 1 + (to % 5) }, (_, column) => ({
    fromColumns: [columnFqn(from, column)],
    toColumn: columnFqn(to, column),
  }));
  return JSON.stringify({ sqlQuery, columnsLineage, source: 'QueryLineage' });
}

const tagUsage = (world: World): TableRows => ({
  table: 'tag_usage',
  columns: ['source', 'tagFQN', 'labelType', 'state', 'tagFQNHash', 'targetFQNHash', 'reason', 'metadata'],
  *rows() {
    for (let i = 0; i < world.count.table; i += 1) {
      for (let k = 0; k < i % 4; k += 1) {
        // Source 0 is a classification, 1 the glossary.
        const kind = k % 2 === 0 ? 'tag' : 'glossaryTerm';
        const tag = names(kind, (i + k * 13) % world.count[kind]).fqn;
        const target = k === 0 ? names('table', i).fqn : columnFqn(i, k);
        const reason = i % 7 === 0 ? '' : null;
        // The type is json: blanks and the order of keys are content.
        yield [k % 2, tag, k % 3, 1, fqnHash(tag), fqnHash(target), reason, i % 5 === 0 ? '{ "b":1,  "a" : [ ] }' : null];
      }
    }
  },
});

const versions = (world: World): TableRows => ({
  table: 'entity_extension',
  columns: ['id', 'extension', 'jsonSchema', 'json'],
  *rows() {
    const chance = random(world.seed, 'entity_extension');
    for (let i = 0; i < world.count.table; i += 4) {
      const json = {
        ...common(world, 'table', i, chance),
        version: 0.1,
        description: chance.sentence(20),
        columns: columns(i, 10, chance),
      };
      yield [idOf(world, 'table', i), 'table.version.0.1', 'table', JSON.stringify(json)];
    }
  },
});

const profiles = (world: World): TableRows => ({
  table: 'profiler_data_time_series',
  columns: ['entityFQNHash', 'extension', 'jsonSchema', 'json'],
  *rows() {
    const chance = random(world.seed, 'profiler_data_time_series');
    for (let i = 0; i < world.count.table; i += 1) {
      const hash = fqnHash(names('table', i).fqn);
      const columnHashes = Array.from({ length: PROFILED_COLUMNS }, (_, column) => fqnHash(columnFqn(i, column)));
      for (let day = 0; day < PROFILED_DAYS; day += 1) {
        const timestamp = EPOCH_MS + day * DAY_MS;
        const profile = {
          timestamp,
          profileSample: 100,
          profileSampleType: 'PERCENTAGE',
          columnCount: chance.below(40),
          rowCount: chance.below(1e9),
          sizeInByte: chance.below(1e9) * 1.5,
          customMetrics: [],
          createDateTime: '2024-06-10T00:00:00Z',
        };
        yield [hash, 'table.tableProfile', 'tableProfile', JSON.stringify(profile)];
        for (const [column, columnHash] of columnHashes.entries()) {
          const columnProfile = {
            name: `c_${column}`,
            timestamp,
            valuesCount: chance.below(1e6),
            nullCount: chance.below(1e3),
            nullProportion: chance.fraction(),
            distinctCount: chance.below(1e6),
            mean: chance.fraction() * 1e6,
            min: -chance.fraction(),
            max: chance.fraction() * 1e9,
            stddev: chance.fraction() * 1e-7,
            histogram: { boundaries: ['0 to 1', '1 to 2'], frequencies: [chance.below(100), chance.below(100)] },
          };
          yield [columnHash, 'table.columnProfile', 'columnProfile', JSON.stringify(columnProfile)];
        }
      }
    }
  },
});

const changeEvents = (world: World): TableRows => ({
  table: 'change_event',
  columns: ['json'],
  *rows() {
    const chance = random(world.seed, 'change_event');
    for (let i = 0; i < world.count.table / 2; i += 1) {
      const fieldsUpdated = [{ name: 'columns', oldValue: chance.sentence(30), newValue: chance.sentence(30) }];
      const event = {
        id: idOf(world, 'event', i),
        eventType: chance.pick(['entityCreated', 'entityUpdated', 'entitySoftDeleted']),
        entityType: 'table',
        entityId: idOf(world, 'table', i),
        entityFullyQualifiedName: names('table', i).fqn,
        userName: 'ingestion-bot',
        timestamp: EPOCH_MS + i * 1_000,
        changeDescription: { fieldsUpdated },
        entity: chance.sentence(60),
      };
      yield [JSON.stringify(event)];
    }
  },
});

const auditLog = (world: World): TableRows => ({
  table: 'audit_log_event',
  columns: ['change_event_id', 'event_ts', 'event_type', 'user_name', 'entity_type', 'entity_id', 'event_json', 'search_text'],
  *rows() {
    const chance = random(world.seed, 'audit_log_event');
    for (let i = 0; i < world.count.table / 10; i += 1) {
      const json = JSON.stringify({ comment: chance.sentence(20) });
      const user = i % 11 === 0 ? null : 'admin';
      yield [idOf(world, 'event', i), EPOCH_MS + i, 'entityUpdated', user, 'table', idOf(world, 'table', i), json, chance.sentence(10)];
    }
  },
});
