/** Rows of the tables that the server keeps for itself: its version, settings, schedules and locks. */
import { createHash } from 'node:crypto';
import { fernet } from './fernet.ts';
import { random } from './random.ts';
import type { TableRows, Value } from './rows.ts';
import { idOf, md5, names, type World } from './world.ts';

export const OPENMETADATA_VERSION = '1.13.4';

const VERSIONS = [...Array.from({ length: 13 }, (_, minor) => `1.${minor + 1}.0`), OPENMETADATA_VERSION];
const MIGRATION_STATEMENTS = 400;
const JOBS = 20;
const LOCKS = 3;
const INSTALLED_ON = '2026-01-02 03:04:05.678901';
const SCHEDULER = 'OpenMetadataServerScheduler';

export const housekeepingRows = (world: World): readonly TableRows[] => [
  table('server_change_log', ['version', 'migrationFileName', 'checksum', 'installed_on', 'metrics'], VERSIONS.length, (i) => {
    const version = VERSIONS[i] ?? '';
    return [version, `bootstrap/sql/migrations/native/${version}`, md5(version), INSTALLED_ON, i % 2 === 0 ? null : '{"ms": 12.50}'];
  }),
  table('server_migration_sql_logs', ['version', 'sqlStatement', 'checksum', 'executedAt'], MIGRATION_STATEMENTS, (i) => [
    `1.${1 + (i % 13)}.0`,
    `ALTER TABLE t${i}\n\tADD COLUMN x varchar(36) GENERATED ALWAYS AS (json ->> 'id') STORED;`,
    md5(`statement ${i}`),
    INSTALLED_ON,
  ]),
  settings(world),
  table('task_sequence', ['dummy'], 1, () => ['0']),
  table('qrtz_job_details', ['sched_name', 'job_name', 'job_group', 'job_class_name', 'job_data'], JOBS, (i) => [
    SCHEDULER,
    `job_${i}`,
    'OMAppsJobGroup',
    'org.openmetadata.service.apps.bundles.searchIndex.SearchIndexApp',
    i === 0 ? null : createHash('sha512').update(`job ${i}`).digest(),
  ]),
  table('qrtz_triggers', ['sched_name', 'trigger_name', 'job_name', 'job_group'], JOBS, (i) => [
    SCHEDULER,
    `trigger_${i}`,
    `job_${i}`,
    'OMAppsJobGroup',
  ]),
  table('entity_deletion_lock', ['id', 'entityId', 'entityType', 'entityFqn', 'lockType', 'lockedBy', 'lockedAt'], LOCKS, (i) => [
    idOf(world, 'lock', i),
    idOf(world, 'table', i),
    'table',
    names('table', i).fqn,
    'DELETE_IN_PROGRESS',
    'admin',
    INSTALLED_ON,
  ]),
];

const table = (name: string, columns: readonly string[], count: number, row: (i: number) => readonly Value[]): TableRows => ({
  table: name,
  columns,
  *rows() {
    for (let i = 0; i < count; i += 1) yield row(i);
  },
});

const SETTINGS = ['emailConfiguration', 'customUiThemePreference', 'searchSettings', 'loginConfiguration', 'authenticationConfiguration'];

const settings = (world: World): TableRows => ({
  table: 'openmetadata_settings',
  columns: ['configType', 'json'],
  *rows() {
    const chance = random(world.seed, 'openmetadata_settings');
    for (const type of SETTINGS) {
      yield [type, JSON.stringify({ type, smtpPassword: fernet(`password of ${type}`), note: chance.sentence(30) })];
    }
  },
});
