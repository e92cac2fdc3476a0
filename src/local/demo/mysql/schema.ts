/** The tables of an OpenMetadata 1.13 database on MySQL, as far as they matter to a backup; MariaDB takes them with other types. */
export type Flavour = 'mysql' | 'mariadb';

/** Names that OpenMetadata writes in upper case on MySQL, by those of the rows. */
export const NAMES: Readonly<Record<string, string>> = {
  server_change_log: 'SERVER_CHANGE_LOG',
  server_migration_sql_logs: 'SERVER_MIGRATION_SQL_LOGS',
  qrtz_job_details: 'QRTZ_JOB_DETAILS',
  qrtz_triggers: 'QRTZ_TRIGGERS',
};

type Extra = readonly [column: string, type: string, nullable?: boolean];

const ENTITIES: readonly (readonly [table: string, hash: 'fqnHash' | 'nameHash', more?: Extra])[] = [
  ['dbservice_entity', 'nameHash', ['serviceType', 'varchar(256)']],
  ['database_entity', 'fqnHash'],
  ['database_schema_entity', 'fqnHash'],
  ['table_entity', 'fqnHash'],
  ['user_entity', 'nameHash', ['email', 'varchar(256)']],
  ['team_entity', 'nameHash', ['teamType', 'varchar(64)']],
  ['glossary_term_entity', 'fqnHash', ['displayName', 'varchar(256)', true]],
  ['tag', 'fqnHash'],
];

const ASCII = 'CHARACTER SET ascii COLLATE ascii_bin';

export const collationOf = (flavour: Flavour): string => (flavour === 'mysql' ? 'utf8mb4_0900_ai_ci' : 'utf8mb4_unicode_ci');

export const createTables = (flavour: Flavour): readonly string[] => {
  const end = `ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=${collationOf(flavour)}`;
  /** MariaDB takes no NOT NULL on a generated column. */
  const generated = (column: string, type = 'varchar(256)', nullable = false, kind = 'VIRTUAL', path = column): string => {
    const value = type === 'tinyint(1)' ? `json_extract(json, '$.${path}') = true` : `json_unquote(json_extract(json, '$.${path}'))`;
    return `\`${column}\` ${type} GENERATED ALWAYS AS (${value}) ${kind}${nullable || flavour === 'mariadb' ? '' : ' NOT NULL'}`;
  };
  const table = (name: string, ...lines: readonly string[]): string => `CREATE TABLE ${name} (\n  ${lines.join(',\n  ')}\n) ${end}`;
  return [
    table(
      'SERVER_CHANGE_LOG',
      'installed_rank bigint unsigned NOT NULL AUTO_INCREMENT UNIQUE',
      'version varchar(256) NOT NULL PRIMARY KEY',
      'migrationFileName varchar(256) NOT NULL',
      'checksum varchar(256) NOT NULL',
      'installed_on timestamp NULL DEFAULT current_timestamp',
      'metrics json',
    ),
    table(
      'SERVER_MIGRATION_SQL_LOGS',
      'version varchar(256) NOT NULL',
      'sqlStatement varchar(10000) NOT NULL',
      'checksum varchar(256) PRIMARY KEY',
      'executedAt timestamp NULL DEFAULT current_timestamp',
    ),
    table(
      'openmetadata_settings',
      'id mediumint NOT NULL AUTO_INCREMENT',
      'configType varchar(36) NOT NULL UNIQUE',
      'json json',
      'PRIMARY KEY (id, configType)',
    ),
    table('task_sequence', 'id smallint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY', 'dummy varchar(1)'),
    ...ENTITIES.map(([name, hash, more]) =>
      table(
        name,
        generated('id', 'varchar(36)', false, 'STORED'),
        'json json NOT NULL',
        generated('updatedAt', 'bigint unsigned'),
        generated('updatedBy'),
        generated('deleted', 'tinyint(1)', true),
        `${hash} varchar(768) ${ASCII} NOT NULL`,
        generated('name'),
        ...(more === undefined ? [] : [generated(...more)]),
        flavour === 'mysql' ? 'PRIMARY KEY (id)' : 'UNIQUE KEY unique_id (id)',
        `UNIQUE KEY unique_${hash} (${hash})`,
        'KEY name_index (name)',
        'KEY deleted_name_index (deleted, name)',
        'KEY updated_index (updatedAt, id)',
      ),
    ),
    table(
      'entity_relationship',
      `fromId varchar(36) ${ASCII} NOT NULL`,
      `toId varchar(36) ${ASCII} NOT NULL`,
      'fromEntity varchar(256) NOT NULL',
      'toEntity varchar(256) NOT NULL',
      'relation tinyint NOT NULL',
      'jsonSchema varchar(256)',
      'json json',
      'deleted tinyint(1) NOT NULL DEFAULT 0',
      "relationType varchar(64) NOT NULL DEFAULT ''",
      'PRIMARY KEY (fromId, toId, relation, relationType)',
      'KEY to_index (toId, toEntity(100))',
      'KEY from_index (fromId, relation)',
    ),
    table(
      'tag_usage',
      'source tinyint NOT NULL',
      'tagFQN varchar(512) NOT NULL',
      'labelType tinyint NOT NULL',
      'state tinyint NOT NULL',
      `tagFQNHash varchar(382) ${ASCII}`,
      `targetFQNHash varchar(382) ${ASCII}`,
      'reason text',
      "appliedAt timestamp(6) NULL DEFAULT '2026-01-01 00:00:00'",
      'metadata json',
      'UNIQUE KEY unique_usage (source, tagFQNHash, targetFQNHash)',
      'KEY target_index (targetFQNHash)',
    ),
    table(
      'entity_extension',
      'id varchar(36) NOT NULL',
      'extension varchar(256) NOT NULL',
      'jsonSchema varchar(256) NOT NULL',
      'json json NOT NULL',
      generated('updatedAt', 'bigint unsigned', true),
      'PRIMARY KEY (id, extension)',
    ),
    table(
      'profiler_data_time_series',
      `entityFQNHash varchar(512) ${ASCII}`,
      'extension varchar(200) NOT NULL',
      'jsonSchema varchar(256) NOT NULL',
      'json json NOT NULL',
      generated('timestamp', 'bigint unsigned'),
      'KEY extension_index (extension, timestamp)',
      'UNIQUE KEY unique_profile (entityFQNHash, extension, timestamp)',
    ),
    table(
      'change_event',
      generated('eventType', 'varchar(36)'),
      generated('entityType', 'varchar(36)'),
      generated('userName'),
      generated('eventTime', 'bigint unsigned', false, 'VIRTUAL', 'timestamp'),
      'json json NOT NULL',
      '`offset` int NOT NULL AUTO_INCREMENT PRIMARY KEY',
      'KEY time_index (eventTime)',
    ),
    table(
      'audit_log_event',
      'id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY',
      'change_event_id char(36) NOT NULL UNIQUE',
      'event_ts bigint NOT NULL',
      'event_type varchar(32) NOT NULL',
      'user_name varchar(256)',
      "actor_type varchar(32) DEFAULT 'USER'",
      'entity_type varchar(128)',
      'entity_id char(36)',
      'event_json longtext NOT NULL',
      'created_at bigint DEFAULT 1718000000000',
      'search_text text',
      'KEY time_index (event_ts)',
      'FULLTEXT KEY search_index (search_text)',
    ),
    table(
      'QRTZ_JOB_DETAILS',
      'sched_name varchar(120)',
      'job_name varchar(190)',
      'job_group varchar(190)',
      'job_class_name varchar(250) NOT NULL',
      'job_data blob',
      'PRIMARY KEY (sched_name, job_name, job_group)',
    ),
    table(
      'QRTZ_TRIGGERS',
      'sched_name varchar(120)',
      'trigger_name varchar(190)',
      'job_name varchar(190)',
      'job_group varchar(190)',
      'PRIMARY KEY (sched_name, trigger_name)',
      'CONSTRAINT job_of_trigger FOREIGN KEY (sched_name, job_name, job_group) REFERENCES QRTZ_JOB_DETAILS (sched_name, job_name, job_group)',
    ),
    table(
      'entity_deletion_lock',
      'id varchar(36) NOT NULL DEFAULT (uuid()) PRIMARY KEY',
      'entityId varchar(36) NOT NULL',
      'entityType varchar(256) NOT NULL',
      'entityFqn varchar(2048) NOT NULL',
      'lockType varchar(50) NOT NULL',
      'lockedBy varchar(256) NOT NULL',
      'lockedAt timestamp NOT NULL DEFAULT current_timestamp',
      'metadata json',
      'UNIQUE KEY unique_lock (entityId, entityType(100))',
    ),
  ];
};
