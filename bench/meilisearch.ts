/**
 * `npm run bench -- meilisearch [documents]`: how fast a Meilisearch is dumped over HTTP, beside its own dump in the same run, and that dump
 * verified. LIFEBOAT_TEST_MEILISEARCH is the path of a meilisearch program, which is started, filled and stopped. Without it pages come
 * from memory, and only Lifeboat's side is measured.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { gzipSync } from 'node:zlib';
import type { Budget, Services } from '../src/sources/contract.ts';
import { enqueue } from '../src/sources/meilisearch/api.ts';
import { type Client, withClient } from '../src/sources/meilisearch/client.ts';
import { checkDump } from '../src/sources/meilisearch/dump/check.ts';
import { placeAt } from '../src/sources/meilisearch/folder/place.ts';
import { findProgram } from '../src/sources/meilisearch/folder/program.ts';
import { instanceOf, startServer, stopServer, untilReady } from '../src/sources/meilisearch/folder/server.ts';
import { mustEnd } from '../src/sources/meilisearch/marker.ts';
import { measure } from './measure.ts';
import { documentLine } from './meilisearch-data.ts';

const MIB = 1024 * 1024;
const DOCUMENTS = Number(process.argv[2] ?? '200000');
const BATCH = 20_000;
const MASTER_KEY = 'bench-master-key-0123456789';
const forever: Budget = { remaining: () => Number.POSITIVE_INFINITY, signal: new AbortController().signal };
const services: Services = { secret: async () => MASTER_KEY, now: () => new Date(), temporary: tmpdir() };

interface Instance {
  readonly url: string;
  /** CPU seconds that it has used until now. */
  cpu(): number;
  /** Seconds of its own dump; undefined where it makes none. */
  ownDump?(): Promise<number>;
  stop(): Promise<void>;
}

const folder = await mkdtemp(join(tmpdir(), 'lifeboat-bench-'));
const say = (text: string): boolean => process.stdout.write(`${text}\n`);

const real = async (binary: string): Promise<Instance> => {
  const place = placeAt(join(folder, 'bench.ms'));
  const program = await findProgram({ folder, binary, mode: 'api', wholeIndexes: false });
  const server = await startServer({ place, program, masterKey: MASTER_KEY });
  await untilReady(place, server, [MASTER_KEY], forever);
  const address = instanceOf(server, MASTER_KEY);
  const use = <Result>(work: (client: Client) => Promise<Result>): Promise<Result> => withClient(address, services, undefined, work);
  await use(fill);
  return {
    url: address.url,
    cpu: () => cpuOf(server.pid),
    ownDump: () => seconds(() => use(async (client) => mustEnd(client, [await enqueue(client, 'POST', '/dumps')], forever))),
    stop: () => stopServer(place, server),
  };
};

const fill = async (client: Client): Promise<void> => {
  const tasks = [
    await enqueue(client, 'POST', '/indexes', { json: { uid: 'big', primaryKey: 'id' } }),
    await enqueue(client, 'PATCH', '/indexes/big/settings', { json: { searchableAttributes: ['title'], sortableAttributes: ['id'] } }),
  ];
  for (let from = 0; from < DOCUMENTS; from += BATCH) {
    const lines = Array.from({ length: Math.min(BATCH, DOCUMENTS - from) }, (_, n) => documentLine(from + n)).join('\n');
    const body = { bytes: gzipSync(lines, { level: 1 }), type: 'application/x-ndjson', encoding: 'gzip' };
    tasks.push(await enqueue(client, 'POST', '/indexes/big/documents', { body }));
  }
  await mustEnd(client, tasks, forever);
};

const inMemory = async (): Promise<Instance> => {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'meilisearch-server.ts'), String(DOCUMENTS)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const { url } = JSON.parse(line) as { url: string };
  return {
    url,
    cpu: () => cpuOf(child.pid ?? 0),
    stop: async () => {
      child.kill();
    },
  };
};

/** utime and stime of a process, in hundredths of a second. */
const cpuOf = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
};

const seconds = async (work: () => Promise<unknown>): Promise<number> => {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
};

const row = (what: string, took: number, cpu: string, bytes: number): boolean =>
  say(`${what.padEnd(34)} ${took.toFixed(1).padStart(6)} s ${(bytes / MIB / took).toFixed(0).padStart(5)} MiB/s of JSON; ${cpu}`);

const lifeboat = (...args: string[]): readonly string[] => [process.execPath, join(import.meta.dirname, '../bin/lifeboat.mjs'), ...args];

const instance = await (process.env['LIFEBOAT_TEST_MEILISEARCH'] === undefined
  ? inMemory()
  : real(process.env['LIFEBOAT_TEST_MEILISEARCH']));
try {
  process.env['MEILI_MASTER_KEY'] = MASTER_KEY;
  await mkdir(join(folder, 'environments'));
  const errors = join(folder, 'errors.log');
  const took: Record<number, number> = {};
  let [raw, own] = [0, 0];
  for (const concurrency of [1, 2, 4]) {
    const sources = { big: { kind: 'meilisearch', url: instance.url, concurrency } };
    const environment = { store: `file://${folder}/store-${concurrency}`, sources };
    await writeFile(join(folder, 'environments', `bench-${concurrency}.json`), JSON.stringify(environment));
    process.chdir(folder);
    const before = instance.cpu();
    const cost = await measure(lifeboat('backup', 'big', '--env', `bench-${concurrency}`), { errors });
    const [backup = ''] = await readdir(join(folder, `store-${concurrency}/big/backups`));
    const root = join(folder, `store-${concurrency}/big/backups`, backup);
    const { segments } = JSON.parse(await readFile(join(root, 'manifest.json'), 'utf8')) as {
      segments: { key: string; rawBytes: number; role: string }[];
    };
    raw = segments.reduce((sum, { rawBytes }) => sum + rawBytes, 0);
    took[concurrency] = cost.wallSeconds;
    row(
      `lifeboat backup, ${concurrency} at a time`,
      cost.wallSeconds,
      `CPU: ours ${cost.cpuSeconds.toFixed(1)} s, server ${(instance.cpu() - before).toFixed(1)} s; largest process ${(cost.largestBytes / MIB).toFixed(0)} MiB`,
      raw,
    );
    if (concurrency !== 4) continue;
    const out = createWriteStream(join(folder, 'big.dump'));
    for (const { key } of segments.filter(({ role }) => role === 'artifact')) out.write(await readFile(join(root, key)));
    await once(out.end(), 'close');
  }
  if (instance.ownDump !== undefined) {
    const before = instance.cpu();
    own = await instance.ownDump();
    row("the server's own dump", own, `CPU: server ${(instance.cpu() - before).toFixed(1)} s`, raw);
    say(`own dump / lifeboat, 4 at a time: ${(own / (took[4] ?? Number.NaN)).toFixed(2)} (goal: above 1)`);
  }
  const before = process.cpuUsage();
  const file = join(folder, 'big.dump');
  const verified = await seconds(() => checkDump(() => createReadStream(file, { highWaterMark: MIB })));
  const { user, system } = process.cpuUsage(before);
  const cpu = (user + system) / 1e6;
  row(
    `verify of ${((await stat(file)).size / MIB).toFixed(0)} MiB`,
    verified,
    `CPU: ${cpu.toFixed(1)} s, ${(raw / 1e6 / cpu).toFixed(0)} MB of JSON a CPU second (goal: 150)`,
    raw,
  );
} finally {
  await instance.stop();
  await rm(folder, { recursive: true, force: true });
}
