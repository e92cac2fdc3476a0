import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { drillKey, restoreKey } from '../../src/backup/control-keys.ts';
import { readJson } from '../../src/backup/objects.ts';
import type { Progress } from '../../src/backup/progress.ts';
import { scratchName } from '../../src/drill/record.ts';
import { systemFromUrl } from '../../src/sources/registry.ts';
import { listed } from '../support/checks.ts';
import { ownServer, postgresUrl, query } from '../support/postgres.ts';
import { type Around, before, exitOf, failureOf, run, SOURCE, type Voyage, voyage } from './support.ts';

let at: Voyage;
const endings: (() => Promise<void>)[] = [];
beforeAll(async () => {
  at = await voyage({ scratch: postgresUrl() }, (end) => endings.push(end));
  await run(at, 'backup');
});
afterAll(async () => {
  for (const end of endings) await end();
});

const proofState = async (): Promise<string | undefined> => (await listed(at.store, SOURCE)).at(-1)?.proof.state;

const RestoreSchema = z.object({ restore: z.string() });
const DrillSchema = z.object({ drill: z.string() });

/** The scratch database that this call works on. */
const scratchUrl = async ({ payload }: Around): Promise<string> => {
  const { restore } = RestoreSchema.parse(payload);
  const { drill } = DrillSchema.parse(await readJson(at.control, restoreKey(SOURCE, restore)));
  expect(await readJson(at.control, drillKey(SOURCE, drill))).toBeDefined();
  const { redacted } = systemFromUrl(postgresUrl()).scratch(scratchName(drill));
  return redacted;
};

// Other work on the machine may slow all of this down.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

describe('a drill', () => {
  it('passes, however little time its functions have', async () => {
    const tasks = new Set(['load-task', 'audit-task', 'discard-scratch']);
    const calls = new Map<string, number>();
    const { output } = await run(
      at,
      'drill',
      {},
      {
        limits: { handBackAfter: (step) => (tasks.has(step) ? 0 : undefined) },
        around: ({ step, call }) => {
          calls.set(step, (calls.get(step) ?? 0) + 1);
          return call();
        },
      },
    );
    expect(output).toMatchObject({ verdict: 'PASSED', failedChecks: 0 });
    expect(calls.get('load-task')).toBeGreaterThan(4);
    expect(await proofState()).toBe('PASSED');
  });

  it('goes on when every step is killed once', async () => {
    const killed = new Set<string>();
    const { output } = await run(
      at,
      'drill',
      {},
      {
        around: async ({ pool, step, nth, call }) => {
          const answer = call();
          if (nth > 0) return answer;
          await Promise.resolve();
          if (pool.kill(step) > 0) killed.add(step);
          return answer;
        },
      },
    );
    expect(output).toMatchObject({ verdict: 'PASSED' });
    expect([...killed].sort()).toEqual([
      'audit-task',
      'choose-backup',
      'conclude-restore',
      'discard-scratch',
      'load-task',
      'negative-control',
      'plan-stage',
      'provision-scratch',
      'record-proof',
      'resolve-backup',
    ]);
  });

  it('of a copy that is not equal leaves a proof that says FAILED', async () => {
    const error = await failureOf(
      run(
        at,
        'drill',
        {},
        {
          around: async (call) => {
            if (call.step === 'audit-task' && call.nth === 0)
              await query(await scratchUrl(call), `UPDATE person SET name = 'Zoe' WHERE id = 77`);
            return call.call();
          },
        },
      ),
    );
    expect(error.code).toBe('DrillFailed');
    expect(exitOf(error)).toBe(3);
    expect(await proofState()).toBe('FAILED');
    expect(JSON.parse(error.message)).toMatchObject({ verdict: 'FAILED', failedChecks: 2 });
  });

  it('whose scratch server dies has measured nothing, and what cleaning up meets does not hide it', async () => {
    const server = await ownServer();
    const { environment } = await voyage({ url: at.database.url, folder: at.folder, fill: false, scratch: server.url }, () => {});
    const progress: Progress[] = [];
    const error = await failureOf(run({ ...at, environment, progress }, 'drill', {}, { around: before('load-task', () => server.kill()) }));
    expect(error.code).toBe('NotMeasured');
    expect(progress).toContainEqual({ type: 'warning', message: expect.stringContaining('ConnectionRefused') });
    expect(await proofState()).toBe('NOT_MEASURED');
  });

  it('without a scratch target has measured nothing, and says so', async () => {
    const { environment } = await voyage({ url: at.database.url, folder: at.folder, fill: false }, () => {});
    const error = await failureOf(run({ ...at, environment }, 'drill'));
    expect(error.code).toBe('NotMeasured');
    expect(exitOf(error)).toBe(4);
    expect(await proofState()).toBe('NOT_MEASURED');
  });
});
