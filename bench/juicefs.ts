/**
 * `node bench/juicefs.ts --inodes 200000`: dump and load of a JuiceFS volume, beside the real juicefs (JUICEFS_BIN) where there is
 * one, on one machine, in one run, on the same SQLite and PostgreSQL engines. `--input` is a dump to begin with; else one is generated.
 */
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { createDatabase, startPostgresServer } from '../src/local/postgres-server.ts';
import { volumeDump } from './juicefs-data.ts';
import { type Cost, measure } from './measure.ts';

const { values } = parseArgs({
  options: {
    inodes: { type: 'string', default: '200000' },
    input: { type: 'string' },
    engines: { type: 'string', default: 'sqlite,postgres' },
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
const server = values.engines.includes('postgres')
  ? await startPostgresServer({ settings: { fsync: 'off', shared_buffers: '512MB' } })
  : undefined;
try {
  if (values.input === undefined) await generate(input, Number(values.inodes));
  for (const engine of values.engines.split(',')) await compare(engine);
} finally {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
}

async function generate(path: string, inodes: number): Promise<void> {
  const out = createWriteStream(path);
  for (const piece of volumeDump(inodes))
    if (!out.write(piece)) await new Promise((resolve) => out.once('drain', () => resolve(undefined)));
  out.end();
  await finished(out);
}

/** One engine: both tools load the same dump, then both dump what Lifeboat loaded. */
async function compare(engine: string): Promise<void> {
  const [own, other] = await Promise.all([placeOf(engine, 'own'), placeOf(engine, 'other')]);
  await take(`${engine}: lifeboat load`, lifeboat('load', `juicefs+${own.url}`, input));
  if (native !== undefined) await take(`${engine}: juicefs load`, [native, 'load', other.native, input]);
  await take(`${engine}: lifeboat dump`, lifeboat('dump', `juicefs+${own.url}`, '--out', join(folder, `${engine}.json`)));
  if (native === undefined) return;
  await take(`${engine}: juicefs dump --fast`, [native, 'dump', '--fast', own.native, join(folder, `${engine}-fast.json`)]);
  await take(`${engine}: juicefs dump`, [native, 'dump', own.native, join(folder, `${engine}-default.json`)]);
}

async function placeOf(engine: string, name: string): Promise<{ readonly url: string; readonly native: string }> {
  if (engine === 'sqlite') {
    const path = join(folder, `${name}.db`);
    return { url: `sqlite3://${path}`, native: `sqlite3://${path}` };
  }
  if (server === undefined) throw new Error(`no such engine: ${engine}`);
  const url = await createDatabase(server.url, name);
  return { url, native: `${url}?sslmode=disable` };
}
