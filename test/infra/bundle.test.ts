import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bundles, bundle } from '../../infra/bundle.ts';
import { parseEnvironment } from '../../src/environment/parse.ts';
import { NOTIFY, STEPS, WATCH } from '../../src/environment/steps.ts';
import { deployableOf, exampleWith } from './support.ts';

/** Of everything that a step may ever load: far below Lambda's 250 MB. */
const STEP_MAX_BYTES = 4 * 1024 * 1024;

/** Of what a step loads before its first invocation; what grows beyond it slows every cold start and should be a decision. */
const START_MAX_BYTES = 700 * 1024;

/** Only who works with such a server, or calls such a service, loads these. */
const LAZY = /^(mysql2|pg|pg-copy-streams|ioredis|jsonata|@electric-sql\/|@aws-sdk\/(client-|rds-signer))/;

const node = promisify(execFile);

/** Loads what a function loads and answers the type of its handler. Prints nothing else. */
const LOAD = "const { handler } = await import(process.argv[1]); process.stdout.write(typeof handler + (handler.length > 2 ? '!' : ''));";

let bundles: Bundles;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lifeboat-bundle-'));
  bundles = await bundle(deployableOf(exampleWith()).environment, join(folder, 'functions'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the bundles', () => {
  it('are small, and smaller where they start', () => {
    const kilobytes = (bytes: number): string => (bytes / 1024).toFixed(0);
    const loads = Object.entries(bundles.loads);
    console.log(loads.map(([step, { bytes, startBytes }]) => `${step} ${kilobytes(startBytes)} of ${kilobytes(bytes)} KB`).join(', '));
    expect(loads.filter(([, { bytes }]) => bytes > STEP_MAX_BYTES)).toEqual([]);
    expect(loads.filter(([, { startBytes }]) => startBytes > START_MAX_BYTES)).toEqual([]);
    for (const [, { bytes, startBytes }] of loads) expect(bytes).toBeGreaterThan(startBytes);
  });

  it('load no driver and no client before they are called', () => {
    const early = Object.entries(bundles.loads).map(([step, { startPackages }]) => [step, startPackages.filter((name) => LAZY.test(name))]);
    expect(early.filter(([, packages]) => packages?.length !== 0)).toEqual([]);
    expect(bundles.loads['dump-task']?.startPackages).toContain('zod');
  });

  it('hold the environment, as the command line reads it', () => {
    const raw: unknown = JSON.parse(readFileSync(join(bundles.folder, 'example.json'), 'utf8'));
    const { sources, targets } = parseEnvironment(raw, { name: 'example', root: '/tmp' });
    expect(sources).toEqual(deployableOf(exampleWith()).environment.sources);
    expect(Object.keys(targets).sort()).toEqual(Object.keys(deployableOf(exampleWith()).environment.targets).sort());
  });

  it('hold pg_dump, its worker and its WebAssembly in one folder', async () => {
    for (const file of ['pg-dump-worker.mjs', 'pg_dump.wasm']) expect(existsSync(join(bundles.folder, file)), file).toBe(true);
    // Its first message is what it asks the server: then its WebAssembly was found and runs.
    const run = `
      import { MessageChannel, Worker } from 'node:worker_threads';
      const { port1, port2 } = new MessageChannel();
      const workerData = { port: port2, flag: new SharedArrayBuffer(4), args: ['--section=pre-data'], startup: [['server_version', '18.1'], ['client_encoding', 'UTF8'], ['standard_conforming_strings', 'on']] };
      const worker = new Worker(process.argv[2], { workerData, transferList: [port2], stdout: true, stderr: true });
      const end = (text) => process.stdout.write(text, () => process.exit());
      port1.on('message', (message) => end(message instanceof Uint8Array ? 'asks' : JSON.stringify(message)));
      worker.on('error', (error) => end('died: ' + error.message));`;
    const script = join(folder, 'run.mjs');
    writeFileSync(script, run);
    const { stdout } = await node(process.execPath, [script, join(bundles.folder, 'pg-dump-worker.mjs')], { cwd: folder, timeout: 20_000 });
    expect(stdout).toBe('asks');
  });

  it.each([...Object.keys(STEPS), WATCH, NOTIFY])('of %s loads with nothing beside it', async (step) => {
    const entry = join(bundles.folder, `${step}.mjs`);
    const { stdout, stderr } = await node(process.execPath, ['--input-type=module', '-e', LOAD, entry], {
      cwd: bundles.folder,
      env: { LIFEBOAT_ENVIRONMENT_FILE: join(bundles.folder, 'example.json'), AWS_REGION: 'eu-central-1' },
    });
    expect({ stdout, stderr }).toEqual({ stdout: 'function', stderr: '' });
  });
});
