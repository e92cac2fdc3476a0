import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { ownServer, query } from '../support/postgres.ts';
import { backupsIn, before, exitOf, failureOf, leaseOf, run, SOURCE, voyage } from './support.ts';

// Other work on the machine may slow all of this down.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

describe('a backup of a real PostgreSQL', () => {
  it('is made', async () => {
    const at = await voyage();
    await run(at, 'backup');
    expect(await backupsIn(at)).toBe(1);
    expect(await leaseOf(at)).toBeUndefined();
  });

  it('fails by name when the server is killed in the middle', async () => {
    const server = await ownServer();
    const at = await voyage({ url: server.url });
    const error = await failureOf(run(at, 'backup', {}, { around: before('dump-task', () => server.kill()) }));
    expect(error.code).toBe('ConnectionRefused');
    expect(error.message).toContain(`127.0.0.1:${server.port}`);
    expect(exitOf(error)).toBe(1);
    expect(await backupsIn(at)).toBe(0);
    expect(await leaseOf(at)).toBeUndefined();
  });

  it('goes on when one of its two holders is killed', async () => {
    const at = await voyage();
    let killed = 0;
    await run(at, 'backup', {}, { around: before('dump-task', (pool) => (killed = pool.kill('hold', 1))) });
    expect(killed).toBe(1);
    expect(await backupsIn(at)).toBe(1);
  });

  it('has lost its instant when both are killed, says so, and lists nothing', async () => {
    const at = await voyage();
    let killed = 0;
    const error = await failureOf(run(at, 'backup', {}, { around: before('dump-task', (pool) => (killed = pool.kill('hold'))) }));
    expect(killed).toBe(2);
    expect(error.code).toBe('InstantLost');
    expect(error.hint).toContain('start a new backup');
    expect(exitOf(error)).toBe(1);
    expect(await backupsIn(at)).toBe(0);
    expect(await leaseOf(at)).toBeUndefined();
    await run(at, 'backup');
    expect(await backupsIn(at)).toBe(1);
  });

  it.each([
    ['truncated', 'TRUNCATE orders', 'truncated'],
    ['dropped', 'DROP TABLE orders CASCADE', 'does not exist'],
  ])('fails by name when a table is %s between plan and dump', async (_, sql, said) => {
    const at = await voyage();
    const error = await failureOf(run(at, 'backup', {}, { around: before('dump-task', () => query(at.database.url, sql)) }));
    expect(error.code).toBe('SourceChanged');
    expect(error.message).toContain('public.orders');
    expect(error.message).toContain(said);
    expect(error.hint).not.toBe('');
    expect(await backupsIn(at)).toBe(0);
  });

  it('goes on when every step is killed once', async () => {
    const at = await voyage();
    const killed = new Set<string>();
    await run(
      at,
      'backup',
      {},
      {
        around: async ({ pool, step, nth, call }) => {
          const answer = call();
          if (step === 'hold' || nth > 0) return answer;
          // A process is given its step at once, and takes longer than this to do it.
          await Promise.resolve();
          if (pool.kill(step) > 0) killed.add(step);
          return answer;
        },
      },
    );
    expect([...killed].sort()).toEqual([
      'await-point-in-time',
      'dump-task',
      'end-backup',
      'plan-dump',
      'prune-backups',
      'release-point-in-time',
      'seal-backup',
      'start-backup',
    ]);
    expect(await backupsIn(at)).toBe(1);
    expect(await leaseOf(at)).toBeUndefined();
  });

  it('outlives its functions: lanes change while it goes on, and tasks hand back whenever they can', async () => {
    const at = await voyage();
    const tasks = new Set(['dump-task', 'seal-backup', 'prune-backups']);
    let rounds = 0;
    await run(
      at,
      'backup',
      {},
      {
        limits: { timeoutOf: (step) => (step === 'hold' ? 4_000 : undefined), handBackAfter: (step) => (tasks.has(step) ? 0 : undefined) },
        around: async ({ step, nth, call }) => {
          if (step === 'hold') rounds += 1;
          // The source is slow: longer than any holder may hold.
          if (step === 'dump-task' && nth < 6) await sleep(1_500);
          return call();
        },
      },
    );
    expect(rounds).toBeGreaterThan(3);
    expect(await backupsIn(at)).toBe(1);
  });

  it('refuses a second one at the same time, and the first goes on', async () => {
    const at = await voyage();
    let second: Error | undefined;
    const around = before('dump-task', async () => {
      second = await failureOf(run(at, 'backup'));
    });
    await run(at, 'backup', {}, { around });
    expect(second).toMatchObject({ code: 'LeaseHeld', message: expect.stringContaining(SOURCE) });
    expect(exitOf(await failureOf(Promise.reject(second)))).toBe(11);
    expect(await backupsIn(at)).toBe(1);
  });

  it('is made once when a schedule delivers twice', async () => {
    const at = await voyage();
    const scheduled = {
      scheduledTime: '2026-11-21T01:30:00Z',
      schedule: 'arn:aws:scheduler:eu-central-1:123456789012:schedule/default/catalog',
    };
    let meanwhile: unknown;
    const around = before('dump-task', async () => {
      meanwhile = (await run(at, 'backup', scheduled)).output;
    });
    const first = await run(at, 'backup', scheduled, { around });
    const second = await run(at, 'backup', scheduled);
    expect(first.output).toMatchObject({ already: false, backup: expect.stringMatching(/^20261121T013000Z-/) });
    expect(meanwhile).toMatchObject({ already: true });
    expect(second.output).toMatchObject({ already: true });
    expect(await backupsIn(at)).toBe(1);
  });
});
