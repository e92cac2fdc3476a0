/**
 * A catalogue on a MariaDB of its own: `lifeboat backup` beside mysqldump | zstd and mydumper, `lifeboat restore` beside mysql and
 * myloader, in one run. `npm run bench -- mysql [--tables 30000] [--rounds 3]`. CPU is that of the clients; the server's is not in it.
 */
import { existsSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { parseArgs } from 'node:util';
import mysql from 'mysql2/promise';
import { createCatalogue } from '../src/local/demo/mysql/catalogue.ts';
import { startMariadb } from '../test/support/mariadb.ts';
import { measure } from './measure.ts';
import { type Goal, type Measured, medians, table, verdict } from './results.ts';

/** Connections of each tool that has such an option. */
const JOBS = 2;
const PEAK_MEMORY_MB = 256;
const LIFEBOAT = [process.execPath, join(import.meta.dirname, '../bin/lifeboat.mjs')];

const { tables, rounds } = parseArgs({
  options: { tables: { type: 'string', default: '30000' }, rounds: { type: 'string', default: '3' } },
}).values;

const inPath = (program: string): boolean =>
  (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)));

const server = await startMariadb(['--innodb-buffer-pool-size=1G', '--innodb-log-file-size=512M']);
const folder = await mkdtemp(join(tmpdir(), 'lifeboat-bench-mysql-'));
try {
  const execute = async (sql: string): Promise<void> => {
    const connection = await mysql.createConnection(server.url);
    await connection.query(sql);
    await connection.end();
  };
  await execute('CREATE DATABASE bench CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci');
  const { rows, bytes } = await createCatalogue(`${server.url}/bench`, { tables: Number(tables) });
  console.log(`${rows} rows, ${(bytes / 1e6).toFixed(0)} MB of text; ${rounds} rounds, medians\n`);
  const dumps: Measured[] = [];
  const restores: Measured[] = [];
  for (let round = 0; round < Number(rounds); round++) {
    const place = join(folder, String(round));
    await mkdir(place);
    dumps.push(...(await dumpRound(place)));
    for (const name of ['by_lifeboat', 'by_mysql', 'by_myloader']) {
      await execute(`DROP DATABASE IF EXISTS ${name}`);
      await execute(`CREATE DATABASE ${name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci`);
    }
    restores.push(...(await restoreRound(place)));
    await rm(place, { recursive: true, force: true });
  }
  report(medians(dumps), medians(restores));
} finally {
  await rm(folder, { recursive: true, force: true });
  await server.stop();
}

async function environmentIn(place: string): Promise<string> {
  const path = join(place, 'environment.json');
  const address = { kind: 'mysql', host: '127.0.0.1', port: server.port, user: 'root', sslmode: 'disable' };
  const sources = { bench: { ...address, database: 'bench', concurrency: JOBS } };
  await writeFile(path, JSON.stringify({ store: `file://${join(place, 'store')}`, sources }));
  return path;
}

async function dumpRound(place: string): Promise<Measured[]> {
  const environment = await environmentIn(place);
  const login = ['--no-defaults', '-h127.0.0.1', `-P${server.port}`, '-uroot'];
  const file = join(place, 'dump.sql.zst');
  const results = [
    await measured('lifeboat backup', [...LIFEBOAT, 'backup', 'bench', '--env', environment], place, join(place, 'store')),
    await measured(
      'mysqldump, zstd -1',
      ['bash', '-o', 'pipefail', '-c', `mysqldump ${login.join(' ')} --single-transaction --hex-blob bench | zstd -1 -q -o ${file}`],
      place,
      file,
    ),
  ];
  if (!inPath('mydumper')) return results;
  const folderOf = join(place, 'mydumper');
  const options = [
    '-h',
    '127.0.0.1',
    '-P',
    String(server.port),
    '-u',
    'root',
    '-B',
    'bench',
    '-t',
    String(JOBS),
    '-r',
    '20000',
    '-c',
    '-o',
    folderOf,
  ];
  return [...results, await measured(`mydumper -t${JOBS} -c`, ['mydumper', ...options], place, folderOf)];
}

async function restoreRound(place: string): Promise<Measured[]> {
  const environment = join(place, 'environment.json');
  const target = `mysql://root@127.0.0.1:${server.port}/by_lifeboat?sslmode=disable`;
  const client = `mysql --no-defaults -h127.0.0.1 -P${server.port} -uroot by_mysql`;
  const results = [
    await measured('lifeboat restore, audit included', [...LIFEBOAT, 'restore', 'latest', '--to', target, '--env', environment], place),
    await measured('lifeboat audit', [...LIFEBOAT, 'restore', 'latest', '--only', 'audit', '--to', target, '--env', environment], place),
    await measured('zstd -d, mysql', ['bash', '-o', 'pipefail', '-c', `zstd -dcq ${join(place, 'dump.sql.zst')} | ${client}`], place),
  ];
  if (!inPath('myloader')) return results;
  const options = [
    '-h',
    '127.0.0.1',
    '-P',
    String(server.port),
    '-u',
    'root',
    '-B',
    'by_myloader',
    '-t',
    String(JOBS),
    '-d',
    join(place, 'mydumper'),
  ];
  return [...results, await measured(`myloader -t${JOBS}`, ['myloader', ...options], place)];
}

async function measured(name: string, command: readonly string[], place: string, output?: string): Promise<Measured> {
  process.stderr.write(`${name} …`);
  const cost = await measure(command, { errors: join(place, 'errors.txt') });
  process.stderr.write(` ${cost.wallSeconds.toFixed(1)} s\n`);
  return { name, ...cost, bytes: output === undefined ? 0 : await sizeOf(output) };
}

async function sizeOf(path: string): Promise<number> {
  if (!statSync(path).isDirectory()) return statSync(path).size;
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

function report(dumps: ReadonlyMap<string, Measured>, restores: ReadonlyMap<string, Measured>): void {
  const field = (lines: ReadonlyMap<string, Measured>, start: string, of: 'wallSeconds' | 'cpuSeconds'): number =>
    [...lines.values()].find(({ name }) => name.startsWith(start))?.[of] ?? Number.NaN;
  const others = (lines: ReadonlyMap<string, Measured>, of: 'wallSeconds' | 'cpuSeconds'): number =>
    Math.min(...[...lines.values()].filter(({ name }) => !name.startsWith('lifeboat')).map((line) => line[of]));
  const ours = [...dumps.values(), ...restores.values()].filter(({ name }) => name.startsWith('lifeboat'));
  const goals: readonly Goal[] = [
    {
      what: 'time of the fastest other dump',
      measured: field(dumps, 'lifeboat backup', 'wallSeconds') / others(dumps, 'wallSeconds'),
      unit: '×',
      atMost: 1,
    },
    {
      what: 'CPU of mysqldump | zstd -1',
      measured: field(dumps, 'lifeboat backup', 'cpuSeconds') / field(dumps, 'mysqldump', 'cpuSeconds'),
      unit: '×',
      atMost: 1.5,
    },
    {
      what: 'time of the fastest other restore, without the audit',
      measured:
        (field(restores, 'lifeboat restore', 'wallSeconds') - field(restores, 'lifeboat audit', 'wallSeconds')) /
        others(restores, 'wallSeconds'),
      unit: '×',
      atMost: 1.2,
    },
    {
      what: 'largest process',
      measured: Math.max(...ours.map(({ largestBytes }) => largestBytes)) / 1e6,
      unit: ' MB',
      atMost: PEAK_MEMORY_MB,
    },
  ];
  console.log(`${table(dumps, 'mysqldump, zstd -1')}\n\n${table(restores, 'zstd -d, mysql')}\n\n${goals.map(verdict).join('\n')}`);
}
