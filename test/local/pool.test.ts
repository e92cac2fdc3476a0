import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Json } from '../../src/backup/types.ts';
import { adhoc } from '../../src/environment/adhoc.ts';
import { openPool, type Pool, type PoolOptions } from '../../src/local/pool.ts';

// Processes start slowly on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const PASSWORD = 'never-on-a-command-line';

const open = async (options: Partial<PoolOptions> = {}): Promise<Pool> => {
  const folder = await mkdtemp(join(tmpdir(), 'lifeboat-pool-'));
  const environment = adhoc({ store: pathToFileURL(folder).href, from: `postgres://u:${PASSWORD}@127.0.0.1:1/db`, sourceName: 'sea' }, '/');
  const pool = await openPool({ environment, report: () => {}, ...options });
  onTestFinished(async () => {
    await pool.close();
    await rm(folder, { recursive: true, force: true });
  });
  return pool;
};

/** Processes of this one that run functions. */
const workers = async (): Promise<{ readonly pid: number; readonly command: string }[]> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const all = await Promise.all(
    pids.map(async (pid) => ({
      pid: Number(pid),
      parent: /^PPid:\s+(\d+)$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''))?.[1],
      command: await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
    })),
  );
  return all.filter(({ parent, command }) => Number(parent) === process.pid && command.includes('worker.ts'));
};

/** Waits for an instant that nobody opens, as long as it may. */
const waitForever = (pool: Pool): Promise<Json> => pool.invoke('await-point-in-time', { source: 'sea', backup: '20261121T013000Z-4f2a' });
const quick = (pool: Pool): Promise<Json> => pool.invoke('janitor', { source: 'sea' });

const killWhenBusy = (pool: Pool, step: string): Promise<void> => expect.poll(() => pool.kill(step), { timeout: 20_000 }).toBe(1);

describe('a pool of functions', () => {
  it('answers what a function answers', async () => {
    expect(await quick(await open())).toMatchObject({ scratch: [], lease: false });
  });

  it('fails with the name, the message and the hint of what a function throws', async () => {
    const started = (await open()).invoke('start-backup', {
      source: 'lake',
      scheduledTime: null,
      schedule: null,
      execution: 'arn',
      startedAt: '2026-11-21T01:30:00Z',
    });
    await expect(started).rejects.toMatchObject({
      name: 'UnknownSource',
      message: expect.stringMatching(/no source called lake\nhint: It has sea\./),
    });
  });

  it('tells a killed function by name, and goes on with another process', async () => {
    const pool = await open();
    const waiting = waitForever(pool);
    waiting.catch(() => {});
    await killWhenBusy(pool, 'await-point-in-time');
    await expect(waiting).rejects.toMatchObject({ code: 'FunctionKilled', message: 'function await-point-in-time ended (SIGKILL)' });
    expect(pool.kill('await-point-in-time')).toBe(0);
    expect(await quick(pool)).toBeDefined();
  });

  it('kills a function that runs into its limit', async () => {
    const pool = await open({ timeoutOf: (step) => (step === 'await-point-in-time' ? 1 : undefined) });
    await expect(waitForever(pool)).rejects.toMatchObject({ error: 'Sandbox.Timedout' });
    expect(await quick(pool)).toBeDefined();
  });

  it('does not use a process that ended while nobody used it', async () => {
    const pool = await open();
    await quick(pool);
    const idle = await workers();
    for (const { pid } of idle) process.kill(pid, 'SIGKILL');
    // Gone from there once this process has heard of it.
    await expect.poll(() => idle.filter(({ pid }) => existsSync(`/proc/${pid}`)), { timeout: 20_000 }).toEqual([]);
    for (let n = 0; n < 3; n++) expect(await quick(pool)).toBeDefined();
  });

  it('ends every process when it is closed, busy or not, and takes no more work', async () => {
    const pool = await open();
    const waiting = waitForever(pool);
    waiting.catch(() => {});
    await expect.poll(async () => (await workers()).length, { timeout: 20_000 }).toBeGreaterThan(0);
    for (const { command } of await workers()) expect(command).not.toContain(PASSWORD);
    await pool.close();
    await expect(waiting).rejects.toMatchObject({ code: 'FunctionKilled' });
    expect(await workers()).toEqual([]);
    await expect(quick(pool)).rejects.toMatchObject({ code: 'ExecutionAborted' });
    expect(await workers()).toEqual([]);
  });

  it('hands back early where a test wants that', async () => {
    const pool = await open({ handBackAfter: () => 0 });
    expect(await waitForever(pool)).toMatchObject({ ready: false });
  });
});
