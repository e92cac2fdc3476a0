import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runMachine } from '../../../src/local/asl/machine.ts';
import { EXECUTION, entered, failure, type Handler, named, testWorld } from './support.ts';

/** The backup machine as it is deployed, with functions that only play their part. */
const definition: unknown = JSON.parse(readFileSync(join(import.meta.dirname, '../../../state-machines/backup.asl.json'), 'utf8'));

function stage(parts: Readonly<Record<string, Handler>> = {}) {
  let released = false;
  const names: Record<string, Handler> = {
    StartBackup: () => ({ source: 'catalog', backup: 'b-1', lanes: [0, 1], concurrency: 4, already: false }),
    Hold: async () => {
      for (let n = 0; n < 400 && !released; n += 1) await world.clock.sleep(2000);
      return { released };
    },
    AwaitPointInTime: () => ({ ready: true }),
    PlanDump: () => {
      world.objects.set('control/plan.jsonl', '{"task":0}\n{"task":1}\n{"task":2}\n');
      return { bucket: 'control', key: 'plan.jsonl', results: 'results', tasks: 3, resume: null };
    },
    DumpTask: async (payload) => {
      await world.clock.sleep(60_000);
      const part = Number(Object(payload).part);
      return part < 2 ? { part: part + 1, resume: `cursor-${part}`, wait: 0 } : { part, resume: null, wait: 0 };
    },
    ReleasePointInTime: () => {
      released = true;
      return {};
    },
    SealBackup: () => ({ resume: null, wait: 0, summary: { rows: '20000' } }),
    PruneBackups: () => ({ done: true }),
    EndBackup: () => ({}),
    AbortBackup: (payload) => ({ completed: false, error: Object(payload).failure.Error, cause: 'told by the handler' }),
    ...parts,
  };
  // The names in the file are placeholders that a deployment fills in.
  const functions = Object.fromEntries(Object.entries(names).map(([name, handler]) => [`\${${name}}`, handler]));
  const world = testWorld({ functions });
  return world;
}

describe('the backup machine', () => {
  it('makes a backup: tasks go on for as long as they need, the lanes end soon after the release', async () => {
    const world = stage();
    const before = world.clock.now();
    const output = await runMachine(definition, {}, world, EXECUTION);
    expect(output).toMatchObject({ source: 'catalog', backup: 'b-1', already: false, summary: { rows: '20000' }, warning: null });
    expect(world.clock.now() - before).toBeLessThan(200_000);
    expect(entered(world).filter((state) => state === 'DumpTask')).toHaveLength(9);
    expect(world.clock.pending()).toBe(0);
  });

  it('releases the instant and aborts when a task fails', async () => {
    const world = stage({ DumpTask: () => Promise.reject(named('InstantLost')) });
    expect(await failure(runMachine(definition, {}, world, EXECUTION))).toMatchObject({
      error: 'States.ExceedToleratedFailureThreshold',
      cause: 'told by the handler',
    });
    expect(entered(world)).toEqual(expect.arrayContaining(['ReleasePointInTime', 'DumpEnded', 'AbortBackup', 'BackupFailed']));
    expect(entered(world)).not.toContain('SealBackup');
  });

  it('aborts when a lane fails for good', async () => {
    const world = stage({ Hold: () => Promise.reject(named('PermissionDenied')) });
    expect((await failure(runMachine(definition, {}, world, EXECUTION))).error).toBe('PermissionDenied');
    expect(entered(world)).not.toContain('SealBackup');
  });

  it('ends well when the backup is there already', async () => {
    const world = stage({ StartBackup: () => ({ source: 'catalog', backup: 'b-1', lanes: [], concurrency: 1, already: true }) });
    expect(await runMachine(definition, {}, world, EXECUTION)).toEqual({ source: 'catalog', backup: 'b-1', already: true });
  });
});
