import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { sourcePrefix } from '../../src/backup/layout.ts';
import { listExecutions } from '../../src/environment/executions.ts';
import { backupsIn, leaseOf, SOURCE, type Voyage, voyage } from './support.ts';

const BIN = resolve(import.meta.dirname, '../../bin/lifeboat.mjs');

/** Ctrl-C as a terminal sends it: to every process of the group, also to the functions. */
const begin = (at: Voyage) => {
  const child = spawn(process.execPath, [BIN, 'backup', '--from', at.database.url, '--source', SOURCE, '--store', at.store.url], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const group = child.pid ?? 0;
  onTestFinished(() => {
    try {
      process.kill(-group, 'SIGKILL');
    } catch {
      // All of it has ended, which is what the test wants.
    }
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  const ended = new Promise<{ readonly code: number | null; readonly said: string }>((settle) =>
    child.once('close', (code) => settle({ code, said })),
  );
  return { group, ended };
};

/** Processes of a group, from /proc: state and group are fields 3 and 5 of stat. */
const processesOf = async (group: number): Promise<number[]> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const stats = await Promise.all(pids.map(async (pid) => ({ pid, stat: await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '') })));
  return stats.flatMap(({ pid, stat }) => {
    const [state, , pgrp] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(pgrp) === group && state !== 'Z' ? [Number(pid)] : [];
  });
};

const until = async (what: string, holds: () => Promise<boolean>): Promise<void> => {
  for (let look = 0; look < 400; look++) {
    if (await holds()) return;
    await sleep(50);
  }
  throw new Error(`waited in vain for ${what}`);
};

/** Waits until the dump is planned, and then keeps it waiting at one table: its last task needs a lock on each of them. */
const stopDump = async (at: Voyage): Promise<() => Promise<void>> => {
  const client = new Client({ connectionString: at.database.url });
  client.on('error', () => {});
  await client.connect();
  await until('the dump', () => planned(at));
  await client.query('BEGIN; LOCK TABLE person IN ACCESS EXCLUSIVE MODE');
  return () => client.end();
};

const planned = async ({ control }: Voyage): Promise<boolean> => {
  for await (const { key } of control.list(sourcePrefix(SOURCE))) if (key.endsWith('/plans/dump/plan.jsonl')) return true;
  return false;
};

// Other work on the machine may slow all of this down.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

describe('an interrupted backup: Ctrl-C', () => {
  it('in the middle of a dump ends everything, gives the lease back, and the next backup works', async () => {
    const at = await voyage();
    const { group, ended } = begin(at);
    const unlock = await stopDump(at);
    expect((await processesOf(group)).length).toBeGreaterThan(2);
    expect(await leaseOf(at)).toBeDefined();
    process.kill(-group, 'SIGINT');
    const { code, said } = await ended;
    await unlock();
    expect(code).toBe(130);
    expect(said).toContain('error: interrupted');
    expect(await processesOf(group)).toEqual([]);
    expect(await backupsIn(at)).toBe(0);
    expect(await leaseOf(at)).toBeUndefined();
    const executions = await Array.fromAsync(listExecutions(at.control));
    expect(executions.map(({ end }) => end?.status)).toEqual(['ABORTED']);

    const again = begin(at);
    expect(await again.ended).toMatchObject({ code: 0 });
    expect(await backupsIn(at)).toBe(1);
    expect(await leaseOf(at)).toBeUndefined();
  });

  it('and SIGKILL, which nothing can answer, leaves a lease that the next backup takes over', async () => {
    const at = await voyage();
    const { group, ended } = begin(at);
    const unlock = await stopDump(at);
    process.kill(-group, 'SIGKILL');
    await ended;
    await unlock();
    expect(await leaseOf(at)).toBeDefined();
    const again = begin(at);
    expect(await again.ended).toMatchObject({ code: 0 });
    expect(await backupsIn(at)).toBe(1);
  });
});
