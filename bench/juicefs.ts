/**
 * `JUICEFS_BIN=/path/to/juicefs npm run bench -- juicefs --inodes 200000 --engines sqlite,postgres,redis,mysql`: dump and load of a JuiceFS
 * volume, beside the real juicefs where there is one, on one machine, in one run, on servers of its own. `--input` is a dump to begin
 * with; else one is generated. `--slow` also runs juicefs dump without --fast, which takes long on servers.
 */
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { createDatabase, startPostgresServer } from '../src/local/postgres-server.ts';
import { sql, startMariadb } from '../test/support/mariadb.ts';
import { startRedis } from '../test/support/redis.ts';
import { volumeDump } from './juicefs-data.ts';
import { type Cost, measure } from './measure.ts';

const { values } = parseArgs({
  options: {
    inodes: { type: 'string', default: '200000' },
    input: { type: 'string' },
    engines: { type: 'string', default: 'sqlite,postgres,redis' },
    slow: { type: 'boolean', default: false },
  },
});
const native = process.env['JUICEFS_BIN'];
const folder = await mkdtemp(join(tmpdir(), 'lifeboat-juicefs-bench-'));
const errors = join(folder, 'errors.log');
const MEGABYTE = 1024 * 1024;

const lifeboat = (...args: string[]): readonly string[] => [
  process.execPath,
  join(import.meta.dirname, '../bin/lifeboat.mjs'),
  ...args,
  '--progress',
  'none',
];

const lines: string[] = [];
const take = async (what: string, command: readonly string[]): Promise<Cost> => {
  const cost = await measure(command, { errors });
  lines.push(
    `${what.padEnd(44)} ${cost.wallSeconds.toFixed(1).padStart(8)} s ${cost.cpuSeconds.toFixed(1).padStart(8)} CPU s ${(cost.largestBytes / MEGABYTE).toFixed(0).padStart(6)} MiB`,
  );
  console.log(lines.at(-1));
  return cost;
};

const input = values.input ?? join(folder, 'input.json');
const wanted = new Set(values.engines.split(','));
const postgres = wanted.has('postgres') ? await startPostgresServer({ settings: { fsync: 'off', shared_buffers: '512MB' } }) : undefined;
// Neither server waits: Redis not for more replicas, MariaDB not for its disk.
const redis = wanted.has('redis') ? await startRedis() : undefined;
const mariadb = wanted.has('mysql') ? await startMariadb() : undefined;
try {
  if (values.input === undefined) await generate(input, Number(values.inodes));
  for (const engine of wanted) await compare(engine);
} finally {
  await Promise.all([postgres?.stop(), redis?.stop(), mariadb?.stop()]);
  await rm(folder, { recursive: true, force: true });
}

async function generate(path: string, inodes: number): Promise<void> {
  const out = createWriteStream(path);
  for (const piece of volumeDump(inodes))
    if (!out.write(piece)) await new Promise((resolve) => out.once('drain', () => resolve(undefined)));
  out.end();
  await finished(out);
}

/** One engine: both tools load the same dump, and both dump what Lifeboat loaded, while there is nothing else on the server. */
async function compare(engine: string): Promise<void> {
  const [own, other] = [await placeOf(engine, 'own', 1), await placeOf(engine, 'other', 2)];
  const load = await take(`${engine}: lifeboat load`, lifeboat('load', `juicefs+${own.url}`, input));
  const dump = await take(`${engine}: lifeboat dump`, lifeboat('dump', `juicefs+${own.url}`, '--out', join(folder, `${engine}.json`)));
  if (native === undefined) return;
  // Redis knows no --fast: it streams at once.
  const plain = async (): Promise<Cost> =>
    take(`${engine}: juicefs dump`, [native, 'dump', own.native, join(folder, `${engine}-real.json`)]);
  const fast =
    engine === 'redis'
      ? undefined
      : await take(`${engine}: juicefs dump --fast`, [native, 'dump', '--fast', own.native, join(folder, `${engine}-fast.json`)]);
  const slow = engine === 'redis' || engine === 'sqlite' || values.slow ? await plain() : undefined;
  const nativeLoad = await take(`${engine}: juicefs load`, [native, 'load', other.native, input]);
  compareCosts(`${engine}: load`, nativeLoad, load);
  if (fast !== undefined) compareCosts(`${engine}: dump, --fast`, fast, dump);
  if (slow !== undefined) compareCosts(`${engine}: dump`, slow, dump);
}

function compareCosts(what: string, theirs: Cost, ours: Cost): void {
  const times = (field: 'wallSeconds' | 'cpuSeconds'): string => (theirs[field] / ours[field]).toFixed(2);
  console.log(
    `${what.padEnd(44)} juicefs takes ${times('wallSeconds')} times the wall and ${times('cpuSeconds')} times the CPU of lifeboat`,
  );
}

async function placeOf(engine: string, name: string, number: number): Promise<{ readonly url: string; readonly native: string }> {
  if (engine === 'sqlite') {
    const path = join(folder, `${name}.db`);
    return { url: `sqlite3://${path}`, native: `sqlite3://${path}` };
  }
  if (engine === 'redis' && redis !== undefined) {
    const url = `redis://127.0.0.1:${redis.port}/${number}`;
    return { url, native: url };
  }
  if (engine === 'mysql' && mariadb !== undefined) {
    await sql(mariadb.url, `CREATE DATABASE ${name}`);
    const { username, password, host } = new URL(mariadb.url);
    return { url: `${mariadb.url}/${name}`, native: `mysql://${username}:${password}@(${host})/${name}` };
  }
  if (engine !== 'postgres' || postgres === undefined) throw new Error(`no such engine: ${engine}`);
  const url = await createDatabase(postgres.url, name);
  return { url, native: `${url}?sslmode=disable` };
}
