/**
 * Copies a namespace between two buckets of one local S3 server, first and again with nothing changed, against s5cmd and
 * `aws s3 sync`; and proves a repository offline.
 *
 *   npm run bench -- lakefs [--objects 20000] [--s5cmd /path] [--endpoint http://127.0.0.1:9000]
 *
 * The server is the one of test/support, in memory, or that of --endpoint, whose buckets `namespace`, `lifeboat`, `s5cmd` and `aws`
 * are there and empty; its keys are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { objectsBelow } from '../src/backup/pool.ts';
import type { Objects } from '../src/sources/contract.ts';
import { proveOffline } from '../src/sources/lakefs/offline.ts';
import { memoryStore } from '../src/stores/memory.ts';
import { openStore } from '../src/stores/open.ts';
import type { Store } from '../src/stores/store.ts';
import { type Made, makeRepository } from './lakefs-data.ts';
import { measure } from './measure.ts';
import { type Measured, medians, table, verdict } from './results.ts';

const { values } = parseArgs({
  options: {
    objects: { type: 'string', default: '20000' },
    s5cmd: { type: 'string', default: 's5cmd' },
    endpoint: { type: 'string' },
    'only-verify': { type: 'boolean' },
  },
});
const PUTS_AT_ONCE = 16;
const COMPILE_CACHE = join(import.meta.dirname, '../bin/compile-cache.mjs');
process.env['AWS_ACCESS_KEY_ID'] ??= 'bench';
process.env['AWS_SECRET_ACCESS_KEY'] ??= 'bench';

const fill = async (store: Store, prefix: string, made: Made): Promise<void> => {
  const all = [...made.objects, ...made.files.map(({ id, file }) => ({ key: `_lakefs/${id}`, bytes: file }))];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let each = all[next++]; each !== undefined; each = all[next++]) await store.create(prefix + each.key, each.bytes);
  };
  await Promise.all(Array.from({ length: PUTS_AT_ONCE }, lane));
};

/** A listing that costs nothing: what is measured is the proof, not a store. */
const held = (made: Made): Objects => {
  const all = new Map(
    [...made.objects, ...made.files.map(({ id, file }) => ({ key: `_lakefs/${id}`, bytes: file }))].map(({ key, bytes }) => [key, bytes]),
  );
  const keys = [...all.keys()].sort();
  const modified = new Date();
  return {
    ...objectsBelow(memoryStore(), ''),
    async *read(key) {
      yield all.get(key) ?? Buffer.alloc(0);
    },
    async *list(_prefix, { after = '' } = {}) {
      let [low, high] = [0, keys.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((keys[middle] ?? '') <= after) low = middle + 1;
        else high = middle;
      }
      for (; low < keys.length; low++) yield { key: keys[low] ?? '', bytes: all.get(keys[low] ?? '')?.length ?? 0, modified, etag: '' };
    },
  };
};

const verifyOffline = async (): Promise<void> => {
  const commits = 100_000;
  const objects = 200_000;
  const made = makeRepository({ objects, commits });
  const input = { objects: held(made), ids: made.ids, defaultBranch: 'main', metadataPrefix: '_lakefs', readBytes: false };
  const budget = { remaining: () => 1, signal: new AbortController().signal };
  const before = process.cpuUsage();
  const proof = await proveOffline({ ...input, budget });
  const cpu = process.cpuUsage(before);
  if (proof.flaws.length > 0) throw new Error(JSON.stringify(proof.flaws[0]));
  const seconds = (cpu.user + cpu.system) / 1e6;
  const refs = proof.commits + proof.branches + proof.rows;
  console.log(
    `offline: ${proof.commits} commits and ${proof.rows} rows in ${seconds.toFixed(2)} CPU s: ${Math.round(refs / seconds)} a second and core (goal: 100 000)`,
  );
};

/** In memory, in a process of its own. */
const startServer = async (): Promise<{ readonly endpoint: string; stop(): void }> => {
  const server = spawn(process.execPath, [join(import.meta.dirname, 'lakefs-s3.ts')], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [endpoint] = await once(createInterface({ input: server.stdout }), 'line');
  return { endpoint, stop: () => void server.kill() };
};

const copy = async (): Promise<void> => {
  const made = makeRepository({ objects: Number(values.objects), commits: 50 });
  const { endpoint, stop } = values.endpoint === undefined ? await startServer() : { endpoint: values.endpoint, stop: () => {} };
  try {
    await fill(await openStore('s3://namespace/ns', { endpoint, region: 'us-east-1' }), '', made);
    const env = { AWS_REGION: 'us-east-1', AWS_DEFAULT_REGION: 'us-east-1', BENCH_S3: endpoint, BENCH_IDS: JSON.stringify(made.ids) };
    const commands = (round: string) => ({
      // As src/local/pool.ts starts a process.
      lifeboat: [process.execPath, '--max-semi-space-size=16', '--import', COMPILE_CACHE, join(import.meta.dirname, 'lakefs-copy.ts')],
      s5cmd: [
        values.s5cmd,
        '--endpoint-url',
        endpoint,
        '--log',
        'error',
        'cp',
        ...(round === 'again' ? ['-n'] : []),
        's3://namespace/ns/*',
        's3://s5cmd/ns/',
      ],
      'aws s3 sync': ['aws', '--endpoint-url', endpoint, 's3', 'sync', '--quiet', 's3://namespace/ns', 's3://aws/ns'],
    });
    const lines: Measured[] = [];
    for (const round of ['first', 'again']) {
      for (const [name, command] of Object.entries(commands(round))) {
        const cost = await measure(command, {
          env: { ...env, BENCH_ROUND: round },
          errors: `/tmp/lifeboat-bench-${name.replaceAll(' ', '-')}.log`,
        });
        lines.push({ name: `${name}, ${round}`, bytes: 0, ...cost });
        console.error(`${name}, ${round}: ${cost.wallSeconds.toFixed(1)} s`);
      }
    }
    const all = medians(lines);
    const wall = (name: string): number => all.get(name)?.wallSeconds ?? Number.NaN;
    console.log(`\n${values.objects} objects, one run\n\n${table(all, 'lifeboat, first')}\n`);
    console.log(
      verdict({ what: 'first copy against s5cmd', measured: wall('lifeboat, first') / wall('s5cmd, first'), unit: '×', atMost: 1 }),
    );
    console.log(
      verdict({
        what: 'nothing changed, against aws s3 sync',
        measured: wall('aws s3 sync, again') / wall('lifeboat, again'),
        unit: '×',
        atLeast: 5,
      }),
    );
    console.log(
      verdict({
        what: 'memory (MiB)',
        measured: (all.get('lifeboat, first')?.largestBytes ?? Number.NaN) / 2 ** 20,
        unit: ' MB',
        atMost: 200,
      }),
    );
  } finally {
    stop();
  }
};

await verifyOffline();
if (values['only-verify'] !== true) await copy();
