/**
 * `npm run bench`: Lifeboat beside pg_dump and pg_restore, on one machine, in one run, on the same databases.
 * LIFEBOAT_PG_BIN names a folder of PostgreSQL's tools; when a server is in it, that one is dumped.
 */
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { createCatalogue } from '../src/local/demo/catalogue.ts';
import { createDatabase, startPostgresServer } from '../src/local/postgres-server.ts';
import { type Case, dumpCases, restoreCases, writeEnvironment } from './cases.ts';
import { measure } from './measure.ts';
import { newestClient, type PostgresClient } from './postgres-client.ts';
import { type Goal, type Measured, medians, megabytes, table, verdict } from './results.ts';

const EMBEDDED_MAJOR = 18;
/** The same for all that is measured. fsync is off, so that the disk's mood does not decide. */
const SETTINGS = { fsync: 'off', shared_buffers: '1GB', max_wal_size: '8GB', maintenance_work_mem: '256MB', autovacuum: 'off' };
const PEAK_MEMORY_MB = 256;

const given = options();
const native = usableClient();
const server = await startPostgresServer({ settings: SETTINGS, ...(native?.hasServer === true ? { bin: native.bin } : {}) });
const scratch = await mkdtemp(join(tmpdir(), 'lifeboat-bench-'));
try {
  await main();
} finally {
  await server.stop();
  await rm(scratch, { recursive: true, force: true });
}

async function main(): Promise<void> {
  const tools =
    native === undefined ? 'none that can read this server (set LIFEBOAT_PG_BIN)' : `pg_dump ${native.version} of ${native.bin}`;
  console.log(`${await oneValue(server.url, 'SELECT version()')}\nBeside: ${tools}. Medians of ${given.rounds}.`);

  const catalogue = await makeDatabase('catalogue', given.tables);
  const [dumps, restores] = await rounds(catalogue, true);
  console.log(`\n${table(dumps, 'lifeboat backup')}\n\n${table(restores, 'lifeboat restore, audit included')}`);

  const big = await makeDatabase('big_table', given.big, ['table_entity']);
  const [bigDumps] = await rounds(big, false);
  console.log(`\n${table(bigDumps, 'lifeboat backup')}\n\n${goals(dumps, restores, bigDumps).map(verdict).join('\n')}`);
}

function options() {
  const { values } = parseArgs({
    options: {
      tables: { type: 'string', default: '90000' },
      big: { type: 'string', default: '90000' },
      rounds: { type: 'string', default: '3' },
    },
  });
  const numbers = { tables: Number(values.tables), big: Number(values.big), rounds: Number(values.rounds) };
  if (Object.values(numbers).every((value) => Number.isInteger(value) && value > 0)) return numbers;
  console.error('usage: npm run bench -- [--tables 90000] [--big 90000] [--rounds 3]');
  process.exit(2);
}

/** pg_dump refuses a server that is newer than itself. */
function usableClient(): PostgresClient | undefined {
  const client = newestClient();
  return client !== undefined && (client.hasServer || client.version >= EMBEDDED_MAJOR) ? client : undefined;
}

async function makeDatabase(name: string, tables: number, only?: readonly string[]): Promise<string> {
  const url = await createDatabase(server.url, name);
  const made = await createCatalogue(url, { tables, ...(only === undefined ? {} : { only }) });
  const size = Number(await oneValue(url, 'SELECT pg_database_size(current_database())'));
  console.log(`\n**${name}**: ${made.rows} rows, ${megabytes(made.bytes)} MB as COPY text, ${megabytes(size)} MB on disk`);
  return url;
}

/** The cases take turns, so that what else the machine does meets all of them. */
async function rounds(
  url: string,
  withRestores: boolean,
): Promise<readonly [ReadonlyMap<string, Measured>, ReadonlyMap<string, Measured>]> {
  const dumps: Measured[] = [];
  const restores: Measured[] = [];
  for (let round = 1; round <= given.rounds; round += 1) {
    const folder = join(scratch, `round-${round}`);
    await mkdir(folder);
    const environment = await writeEnvironment(url, folder);
    for (const one of dumpCases(url, folder, environment, native)) dumps.push(await measured(one, folder));
    if (withRestores) restores.push(...(await restoreRound(folder, environment)));
    await rm(folder, { recursive: true });
  }
  return [medians(dumps), medians(restores)];
}

async function restoreRound(folder: string, environment: string): Promise<readonly Measured[]> {
  const targets = new Map<string, string>();
  for (const name of ['by_lifeboat', 'by_load', 'by_pg_restore']) {
    await execute(server.url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    targets.set(name, await createDatabase(server.url, name));
  }
  const results: Measured[] = [];
  for (const one of restoreCases((name) => targets.get(name) ?? '', folder, environment, native)) results.push(await measured(one, folder));
  return results;
}

async function measured(one: Case, folder: string): Promise<Measured> {
  process.stderr.write(`${one.name} …`);
  const cost = await measure(one.command, { errors: join(folder, 'errors.txt') });
  process.stderr.write(` ${cost.wallSeconds.toFixed(1)} s\n`);
  return { name: one.name, ...cost, bytes: one.output === undefined ? 0 : await sizeOf(one.output) };
}

async function sizeOf(path: string): Promise<number> {
  const found = await stat(path);
  if (!found.isDirectory()) return found.size;
  let bytes = 0;
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size;
  }
  return bytes;
}

type Lines = ReadonlyMap<string, Measured>;

function goals(dumps: Lines, restores: Lines, bigDumps: Lines): readonly Goal[] {
  const wall = (lines: Lines, start: string): number =>
    [...lines.values()].find(({ name }) => name.startsWith(start))?.wallSeconds ?? Number.NaN;
  const backup = wall(dumps, 'lifeboat backup');
  const audit = wall(restores, 'lifeboat audit');
  const restore = wall(restores, 'lifeboat restore') - audit;
  const ours = [...dumps.values(), ...restores.values(), ...bigDumps.values()].filter(({ name }) => name.startsWith('lifeboat'));
  return [
    { what: 'faster than pg_dump -Fc', measured: wall(dumps, 'pg_dump -Fc') / backup, unit: '×', atLeast: 2.8 },
    {
      what: 'time of pg_dump -Fd -j2 --compress=zstd:1',
      measured: backup / wall(dumps, 'pg_dump -Fd -j2 --compress'),
      unit: '×',
      atMost: 1.15,
    },
    {
      what: 'time of pg_dump -Fd -j2 --compress=zstd:1, one big table',
      measured: wall(bigDumps, 'lifeboat backup') / wall(bigDumps, 'pg_dump -Fd -j2 --compress'),
      unit: '×',
      atMost: 1,
    },
    { what: 'time of pg_restore -j2, without the audit', measured: restore / wall(restores, 'pg_restore'), unit: '×', atMost: 1.2 },
    { what: 'time of the audit beside that of the backup', measured: audit / backup, unit: '×', atMost: 1 },
    {
      what: 'largest process',
      measured: Math.max(...ours.map(({ largestBytes }) => largestBytes)) / 1e6,
      unit: ' MB',
      atMost: PEAK_MEMORY_MB,
    },
  ];
}

async function oneValue(url: string, sql: string): Promise<unknown> {
  const [row] = await execute(url, sql);
  return row?.[0];
}

async function execute(url: string, sql: string): Promise<readonly (readonly unknown[])[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<unknown[]>({ text: sql, rowMode: 'array' })).rows;
  } finally {
    await client.end();
  }
}
