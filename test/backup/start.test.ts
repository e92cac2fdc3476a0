import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FORMAT_KEY, manifestKey } from '../../src/backup/layout.ts';
import { encodeManifest } from '../../src/backup/manifest.ts';
import { createJson, readJson } from '../../src/backup/objects.ts';
import { findRun, readRun } from '../../src/backup/run-record.ts';
import { BACKUP_TIMEOUT_MS, refuseProblems, type StartInput, startBackup } from '../../src/backup/start.ts';
import { LifeboatError } from '../../src/errors.ts';
import type { Facts, Source } from '../../src/sources/contract.ts';
import { leaseHolder } from '../support/checks.ts';
import { withFaults } from '../support/faults.ts';
import { memoryRuntime, type TestRuntime } from '../support/runtime.ts';
import { exampleManifest } from './examples.ts';

const facts: Facts = { product: 'Fake', version: '1', place: 'here', content: 'it', bytes: 7, problems: [] };

const unused = (): never => {
  throw new Error('starting a backup must not use this');
};
const sourceWith = (changes: Partial<Facts> = {}): Source => ({
  inspect: async () => ({ ...facts, ...changes }),
  dump: { name: 'dump', mode: 'independent', plan: unused, run: unused },
  seal: { name: 'seal', mode: 'independent', plan: unused, run: unused },
  open: unused,
  hold: unused,
  conclude: unused,
  close: unused,
});

const inputOf = (execution: string, changes: Partial<StartInput> = {}): StartInput => ({
  source: 'sea',
  scheduledTime: null,
  schedule: null,
  execution,
  startedAt: '2026-11-21T01:30:00.000Z',
  ...changes,
});
const scheduled = { scheduledTime: '2026-11-21T01:00:00Z', schedule: 'arn:schedule' };

const start = async (runtime: TestRuntime, execution: string, changes: Partial<StartInput> = {}, source = sourceWith()) => {
  runtime.states.set(execution, 'running');
  return startBackup(runtime, source, inputOf(execution, changes));
};

const seal = async (runtime: TestRuntime, backup: Awaited<ReturnType<typeof start>>['backup']) => {
  await runtime.store.create(manifestKey('sea', backup), encodeManifest(exampleManifest('sea', backup, '2026-11-21T01:30:00.000Z')));
};

describe('startBackup', () => {
  it('names the backup after its execution, takes the lease, and notes what it learnt', async () => {
    const runtime = memoryRuntime();
    const { backup, already } = await start(runtime, 'arn:one');
    expect([backup, already]).toEqual([expect.stringMatching(/^20261121T013000Z-[0-9a-f]{4}$/), false]);
    expect(await leaseHolder(runtime.control, 'sea')).toBe('arn:one');
    expect(await readRun(runtime, 'sea', backup)).toMatchObject({ execution: 'arn:one', facts });
    expect(await readJson(runtime.store, FORMAT_KEY)).toEqual({ formatVersion: 1 });
  });

  it('does the same when it is tried again, also after a death between any two writes', async () => {
    for (let skip = 0; skip < 3; skip++) {
      const base = memoryRuntime();
      const runtime: TestRuntime = {
        ...base,
        store: withFaults(base.store, skip === 0 ? [{ on: 'create', fault: { kind: 'fail', code: 'StoreUnavailable', after: true } }] : []),
        control: withFaults(base.control, [
          {
            on: skip === 1 ? 'replace' : 'create',
            times: skip === 0 ? 0 : 1,
            fault: { kind: 'fail', code: 'StoreUnavailable', after: true },
          },
        ]),
      };
      await expect(start(runtime, 'arn:one')).rejects.toMatchObject({ code: 'StoreUnavailable' });
      const again = await start(runtime, 'arn:one');
      expect(await start(runtime, 'arn:one')).toEqual(again);
      expect(again.already).toBe(false);
    }
  });

  it('refuses while another execution that lives has the lease, and takes over from one that does not', async () => {
    const runtime = memoryRuntime();
    await start(runtime, 'arn:one');
    await expect(start(runtime, 'arn:two')).rejects.toMatchObject({ code: 'LeaseHeld', message: expect.stringContaining('arn:one') });
    runtime.states.set('arn:one', 'gone');
    expect(await start(runtime, 'arn:two')).toMatchObject({ already: false });
    expect(await leaseHolder(runtime.control, 'sea')).toBe('arn:two');
  });

  it('names a scheduled backup after its schedule', async () => {
    const runtime = memoryRuntime();
    expect(await start(runtime, 'arn:one', scheduled)).toMatchObject({
      backup: expect.stringMatching(/^20261121T010000Z-/),
      already: false,
    });
  });

  it('has nothing to do when the same schedule was delivered before: it is being made, or it is there', async () => {
    const runtime = memoryRuntime();
    const first = await start(runtime, 'arn:one', scheduled);
    expect(await start(runtime, 'arn:two', scheduled)).toEqual({ backup: first.backup, already: true });
    runtime.states.set('arn:one', 'gone');
    await seal(runtime, first.backup);
    expect(await start(runtime, 'arn:three', scheduled)).toEqual({ backup: first.backup, already: true });
  });

  it('makes it under a name of its own when the first delivery died', async () => {
    const runtime = memoryRuntime();
    const first = await start(runtime, 'arn:one', scheduled);
    runtime.states.set('arn:one', 'gone');
    const second = await start(runtime, 'arn:two', scheduled);
    expect(second.already).toBe(false);
    expect(second.backup).not.toBe(first.backup);
  });

  it('sees that the holder of the lease is its twin, which has not yet written down what it makes', async () => {
    const base = memoryRuntime();
    let twin: Promise<unknown> | undefined;
    // The twin takes the lease, and is slow to write its record.
    const slow: TestRuntime = {
      ...base,
      control: withFaults(base.control, [{ on: 'create', fault: { kind: 'call', run: () => base.sleep(1_000) } }]),
    };
    const source: Source = {
      ...sourceWith(),
      inspect: async () => {
        twin ??= start(slow, 'arn:one', scheduled);
        await base.sleep(10);
        return facts;
      },
    };
    expect(await start(base, 'arn:two', scheduled, source)).toMatchObject({ already: true });
    expect(await twin).toMatchObject({ already: false });
  });

  it('refuses a source with a problem before it takes the lease', async () => {
    const runtime = memoryRuntime();
    const problems = [
      { code: 'RowSecurity', message: 'table public.t has row level security', hint: 'Use a role that may see all rows.' },
      { code: 'TooOld', message: 'x', hint: '' },
    ];
    await expect(start(runtime, 'arn:one', {}, sourceWith({ problems }))).rejects.toMatchObject({
      code: 'SourceProblem',
      message: 'RowSecurity: table public.t has row level security (and 1 more: TooOld)',
      hint: 'Use a role that may see all rows.',
    });
    expect(await leaseHolder(runtime.control, 'sea')).toBeUndefined();
    refuseProblems(facts);
  });

  it('refuses a store of a newer format', async () => {
    const runtime = memoryRuntime();
    await createJson(runtime.store, FORMAT_KEY, { formatVersion: 2 });
    await expect(start(runtime, 'arn:one')).rejects.toMatchObject({
      code: 'FormatTooNew',
      message: expect.stringContaining('memory://store'),
    });
  });

  it('fails with what the source fails with', async () => {
    const source: Source = {
      ...sourceWith(),
      inspect: async () => {
        throw new LifeboatError('LoginFailed', 'wrong password');
      },
    };
    const runtime = memoryRuntime();
    await expect(start(runtime, 'arn:one', {}, source)).rejects.toMatchObject({ code: 'LoginFailed' });
    expect(await findRun(runtime, 'sea', (await start(runtime, 'arn:one')).backup)).toBeDefined();
  });
});

it('a lease lives as long as its state machine', () => {
  const machine: unknown = JSON.parse(readFileSync(new URL('../../state-machines/backup.asl.json', import.meta.url), 'utf8'));
  expect(machine).toMatchObject({ TimeoutSeconds: BACKUP_TIMEOUT_MS / 1000 });
});

it('a run that was never started is named', async () => {
  const runtime = memoryRuntime();
  const { backup } = await start(runtime, 'arn:one');
  await expect(readRun(runtime, 'other', backup)).rejects.toMatchObject({ code: 'NoSuchBackup', message: expect.stringContaining(backup) });
});
