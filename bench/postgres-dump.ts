/**
 * `npm run bench`: Lifeboat beside pg_dump and pg_restore, on one machine, in one run, on one database.
 * LIFEBOAT_PG_BIN names a folder of PostgreSQL's tools; with a server in it, that one is measured against.
 */
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { createCatalogue } from '../src/local/demo/catalogue.ts';
import { createDatabase, type PostgresServer, startPostgresServer } from '../src/local/postgres-server.ts';
import { type Cost, measure } from './measure.ts';
import { newestClient, type PostgresClient } from './postgres-client.ts';

const EMBEDDED_MAJOR = 18;
const ZSTD_SINCE = 16;
const JOBS = 2;
const CLI = [process.execPath, join(import.meta.dirname, '../bin/lifeboat.mjs')];
/** Of a server for catalogues of this size; the same for all that is measured. Disks are left out: fsync is off. */
const SETTINGS = { fsync: 'off', shared_buffers: '1GB', max_wal_size: '8GB', maintenance_work_mem: '256MB', autovacuum: 'off' };
