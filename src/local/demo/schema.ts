/** The tables of an OpenMetadata 1.13 database, as far as they matter to a backup: the shapes, not every column. */

type GeneratedType = 'varchar(36)' | 'varchar(64)' | 'varchar(256)' | 'bigint' | 'boolean';

interface EntityTable {
  readonly table: string;
  readonly hash: 'fqnHash' | 'nameHash';
  readonly more?: readonly string[];
}

export const ENTITY_TABLES: readonly EntityTable[] = [
  { table: 'dbservice_entity', hash: 'nameHash', more: [generated('serviceType', 'varchar(256)')] },
  { table: 'database_entity', hash: 'fqnHash' },
  { table: 'database_schema_entity', hash: 'fqnHash' },
  {
    table: 'table_entity',
    hash: 'fqnHash',
    more: [
      `databaseSchemaHash varchar(768) GENERATED ALWAYS AS (rtrim(split_part(fqnHash::text, '.', 1) || '.' ||
        split_part(fqnHash::text, '.', 2) || '.' || split_part(fqnHash::text, '.', 3), '.')) STORED`,
    ],
  },
  { table: 'user_entity', hash: 'nameHash', more: [generated('email', 'varchar(256)')] },
  { table: 'team_entity', hash: 'nameHash', more: [generated('teamType', 'varchar(64)')] },
  { table: 'glossary_term_entity', hash: 'fqnHash', more: [generated('displayName', 'varchar(256)', 'NULL')] },
  {
    table: 'tag',
    hash: 'fqnHash',
    more: [`classificationHash text GENERATED ALWAYS AS (split_part(fqnHash::text, '.', 1)) STORED`],
  },
];

/** A column that PostgreSQL computes from the entity's JSON, as all of OpenMetadata's are. */
function generated(column: string, type: GeneratedType, nullable: 'NULL' | 'NOT NULL' = 'NOT NULL'): string {
  const cast = type.startsWith('varchar') ? '' : `::${type}`;
  return `${column} ${type} GENERATED ALWAYS AS ((json ->> '${column}')${cast}) STORED ${nullable}`;
}

const createEntityTable = ({ table, hash, more = [] }: EntityTable): string => `
CREATE TABLE ${table} (
  ${[
    generated('id', 'varchar(36)'),
    'json jsonb NOT NULL',
    generated('updatedAt', 'bigint'),
    generated('updatedBy', 'varchar(256)'),
    generated('deleted', 'boolean', 'NULL'),
    `${hash} varchar(768) NOT NULL`,
    generated('name', 'varchar(256)'),
    ...more,
    'PRIMARY KEY (id)',
    `UNIQUE (${hash})`,
  ].join(',\n  ')}
);`;

const indexEntityTable = ({ table, hash }: EntityTable): string => `
CREATE INDEX idx_${table}_deleted_name_id ON ${table} (deleted, name, id);
CREATE INDEX idx_${table}_updated_at ON ${table} (updatedAt DESC, id DESC);
CREATE INDEX idx_${table}_${hash}_pattern ON ${table} (${hash} text_pattern_ops);`;

export const CREATE_TABLES = `
CREATE TABLE server_change_log (
  installed_rank serial,
  version varchar(256) PRIMARY KEY,
  migrationFileName varchar(256) NOT NULL,
  checksum varchar(256) NOT NULL,
  installed_on timestamp NOT NULL DEFAULT current_timestamp,
  metrics jsonb
);
CREATE TABLE server_migration_sql_logs (
  version varchar(256) NOT NULL,
  sqlStatement varchar(10000) NOT NULL,
  checksum varchar(256) PRIMARY KEY,
  executedAt timestamp NOT NULL DEFAULT current_timestamp
);
CREATE TABLE openmetadata_settings (
  id serial,
  configType varchar(36) NOT NULL UNIQUE,
  json jsonb NOT NULL,
  PRIMARY KEY (id, configType)
);
CREATE TABLE task_sequence (id serial PRIMARY KEY, dummy varchar(1));
${ENTITY_TABLES.map(createEntityTable).join('')}
CREATE TABLE entity_relationship (
  fromId varchar(36) NOT NULL,
  toId varchar(36) NOT NULL,
  fromEntity varchar(256) NOT NULL,
  toEntity varchar(256) NOT NULL,
  relation smallint NOT NULL,
  jsonSchema varchar(256),
  json jsonb,
  deleted boolean NOT NULL DEFAULT false,
  relationType varchar(64) NOT NULL DEFAULT '',
  PRIMARY KEY (fromId, toId, relation, relationType)
);
CREATE TABLE tag_usage (
  source smallint NOT NULL,
  tagFQN varchar(512) NOT NULL,
  labelType smallint NOT NULL,
  state smallint NOT NULL,
  tagFQNHash varchar(768),
  targetFQNHash varchar(768),
  reason text,
  targetFQNHash_lower text GENERATED ALWAYS AS (lower(targetFQNHash::text)) STORED,
  appliedAt timestamp DEFAULT '2026-01-01 00:00:00',
  appliedBy varchar(64) DEFAULT 'admin',
  metadata json,
  tagFQN_lower text GENERATED ALWAYS AS (lower(tagFQN::text)) STORED,
  UNIQUE (source, tagFQNHash, targetFQNHash)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE tag_usage ALTER COLUMN targetFQNHash SET STATISTICS 1000;
CREATE TABLE entity_extension (
  id varchar(36) NOT NULL,
  extension varchar(256) NOT NULL,
  jsonSchema varchar(256) NOT NULL,
  json jsonb NOT NULL,
  updatedAt bigint GENERATED ALWAYS AS ((json ->> 'updatedAt')::bigint) STORED,
  PRIMARY KEY (id, extension)
);
CREATE TABLE profiler_data_time_series (
  entityFQNHash varchar(768),
  extension varchar(256) NOT NULL,
  jsonSchema varchar(256) NOT NULL,
  json json NOT NULL,
  timestamp bigint GENERATED ALWAYS AS ((json ->> 'timestamp')::bigint) STORED NOT NULL CHECK (timestamp > 0),
  operation varchar(256) GENERATED ALWAYS AS (json -> 'profileData' ->> 'operation') STORED,
  UNIQUE (entityFQNHash, extension, operation, timestamp)
);
CREATE TABLE change_event (
  eventType varchar(36) GENERATED ALWAYS AS (json ->> 'eventType') STORED NOT NULL,
  entityType varchar(36) GENERATED ALWAYS AS (json ->> 'entityType') STORED NOT NULL,
  userName varchar(256) GENERATED ALWAYS AS (json ->> 'userName') STORED NOT NULL,
  eventTime bigint GENERATED ALWAYS AS ((json ->> 'timestamp')::bigint) STORED NOT NULL,
  json jsonb NOT NULL,
  "offset" serial PRIMARY KEY
);
CREATE TABLE audit_log_event (
  id bigserial PRIMARY KEY,
  change_event_id uuid NOT NULL UNIQUE,
  event_ts bigint NOT NULL,
  event_type varchar(32) NOT NULL,
  user_name varchar(256),
  actor_type varchar(32) DEFAULT 'USER',
  entity_type varchar(128),
  entity_id uuid,
  event_json text NOT NULL,
  created_at bigint DEFAULT 1718000000000,
  search_text text
);
CREATE TABLE qrtz_job_details (
  sched_name varchar(120),
  job_name varchar(200),
  job_group varchar(200),
  job_class_name varchar(250) NOT NULL,
  job_data bytea,
  PRIMARY KEY (sched_name, job_name, job_group)
);
CREATE TABLE qrtz_triggers (
  sched_name varchar(120),
  trigger_name varchar(200),
  job_name varchar(200) NOT NULL,
  job_group varchar(200) NOT NULL,
  PRIMARY KEY (sched_name, trigger_name),
  FOREIGN KEY (sched_name, job_name, job_group) REFERENCES qrtz_job_details
);
CREATE TABLE entity_deletion_lock (
  id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
  entityId uuid NOT NULL,
  entityType varchar(256) NOT NULL,
  entityFqn varchar(2048) NOT NULL,
  lockType varchar(50) NOT NULL,
  lockedBy varchar(256) NOT NULL,
  lockedAt timestamp NOT NULL DEFAULT current_timestamp,
  metadata jsonb,
  UNIQUE (entityId, entityType)
);`;

export const CREATE_INDEXES = `
${ENTITY_TABLES.map(indexEntityTable).join('')}
CREATE INDEX idx_table_schema_listing ON table_entity (deleted, databaseSchemaHash, name, id);
CREATE INDEX to_entity_type_index ON entity_relationship (toId, toEntity);
CREATE INDEX from_entity_type_index ON entity_relationship (fromId, fromEntity, relation);
CREATE INDEX entity_relationship_deleted_index ON entity_relationship (deleted);
CREATE INDEX idx_tag_usage_target ON tag_usage (source, targetFQNHash);
CREATE INDEX idx_tag_usage_target_lower ON tag_usage (targetFQNHash_lower text_pattern_ops);
CREATE INDEX idx_tag_usage_cover ON tag_usage (targetFQNHash, source, state) INCLUDE (tagFQN, labelType);
CREATE INDEX profiler_extension_index ON profiler_data_time_series (extension, timestamp);
CREATE INDEX change_event_time_index ON change_event (eventTime);
CREATE INDEX audit_log_event_time_index ON audit_log_event (event_ts DESC);
CREATE INDEX audit_log_event_search_index ON audit_log_event USING gin (to_tsvector('simple', search_text));
CREATE INDEX entity_extension_index ON entity_extension (extension);`;

/** Where the server has the extension; managed servers do, some packages do not. */
export const CREATE_TRIGRAM_INDEX = `
CREATE EXTENSION pg_trgm;
CREATE INDEX idx_tag_usage_trigram ON tag_usage USING gin (tagFQN gin_trgm_ops);`;
