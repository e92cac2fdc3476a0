/**
 * How fast a Meilisearch is dumped over HTTP, and its dump verified: `node bench/meilisearch.ts [documents]`. Without an instance
 * (LIFEBOAT_TEST_MEILISEARCH=<url>, key in MEILI_MASTER_KEY) pages come from memory, and only Lifeboat's side is measured.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseEnvironment } from '../src/environment/parse.ts';
import { openSecrets } from '../src/environment/secrets.ts';
import { makeEngine } from '../src/local/engine.ts';
import { checkDump } from '../src/sources/meilisearch/dump/check.ts';

const MIB = 1024 * 1024;
const DOCUMENTS = process.argv[2] ?? '200000';

/** Of the knowledge that the goals come from: an idle machine, 200 000 documents, 208 MB. */
const ANCHORS = 'anchors (real 1.50.0, 208 MB): its own dump 8.7 s, all pages 8.9 s with one reader and 4.2 s with two';

interface Instance {
  readonly url: string;
  stop(): void;
}

const instance = async (): Promise<Instance> => {
  const given = process.env['LIFEBOAT_TEST_MEILISEARCH'];
  if (given !== undefined) return { url: given, stop: () => {} };
  const child = spawn(process.execPath, [join(import.meta.dirname, 'meilisearch-server.ts'), DOCUMENTS], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return { ...(JSON.parse(line) as { url: string }), stop: () => child.kill() };
};

const seconds = async <Result>(work: () => Promise<Result>): Promise<readonly [number, Result]> => {
  const started = performance.now();
  const result = await work();
  return [(performance.now() - started) / 1000, result];
};

const run = { report: () => {}, signal: new AbortController().signal };
const folder = await mkdtemp(join(tmpdir(), 'lifeboat-bench-'));
const { url, stop } = await instance();
const say = (text: string): boolean => process.stdout.write(`${text}\n`);
try {
  say(ANCHORS);
  const file = join(folder, 'big.dump');
  for (const concurrency of [1, 2, 4]) {
    const environment = parseEnvironment(
      { store: `file://${folder}/store-${concurrency}`, sources: { big: { kind: 'meilisearch', url, concurrency } } },
      { name: 'bench', root: folder },
    );
    const engine = await makeEngine({ environment, secrets: openSecrets({ env: process.env }) });
    const [took, { backup }] = await seconds(() => engine.backup({ source: 'big' }, run));
    await engine.close();
    const root = join(folder, `store-${concurrency}/big/backups`, backup);
    const manifest = JSON.parse(await readFile(join(root, 'manifest.json'), 'utf8')) as {
      segments: { key: string; rawBytes: number; role: string }[];
    };
    const raw = manifest.segments.reduce((sum, { rawBytes }) => sum + rawBytes, 0);
    say(
      `backup, ${concurrency} at a time: ${took.toFixed(1)} s, ${(raw / MIB / took).toFixed(0)} MiB/s of ${(raw / MIB).toFixed(0)} MiB, state machine included`,
    );
    if (concurrency !== 4) continue;
    const out = createWriteStream(file);
    for (const { key } of manifest.segments.filter(({ role }) => role === 'artifact')) out.write(await readFile(join(root, key)));
    await once(out.end(), 'close');
  }
  const before = process.cpuUsage();
  const [took, checked] = await seconds(() => checkDump(() => createReadStream(file, { highWaterMark: MIB })));
  const { user, system } = process.cpuUsage(before);
  const rate = checked.rawBytes / MIB / took;
  say(
    `verify: ${took.toFixed(1)} s for ${((await stat(file)).size / MIB).toFixed(0)} MiB stored, ${rate.toFixed(0)} MiB/s of JSON; ${((user + system) / 1e6).toFixed(1)} s of CPU`,
  );
  say(`largest resident set of this process: ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB`);
} finally {
  stop();
  await rm(folder, { recursive: true, force: true });
}
