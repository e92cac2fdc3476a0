import { describe, expect, it } from 'vitest';
import { acquireLease } from '../../src/backup/lease.ts';
import { listExecutions } from '../../src/environment/executions.ts';
import type { World } from '../../src/environment/world.ts';
import { prune } from '../../src/local/prune.ts';
import { ID, LATER_ID, putBackup } from '../cli/support.ts';
import { leaseHolder, listed } from '../support/checks.ts';
import { memoryRuntime } from '../support/runtime.ts';

const SOURCE = 'catalog';

const open = async () => {
  const runtime = memoryRuntime();
  await putBackup(runtime.store, { backup: ID });
  await putBackup(runtime.store, { backup: LATER_ID, at: '2026-11-21T01:30:00.000Z' });
  const entry = { kind: 'fake', address: null, retention: { last: 1 } };
  const world = {
    environment: { name: 'local', root: '/', store: { url: '' }, control: { url: '' }, sources: { [SOURCE]: entry }, targets: {} },
    runtime,
    entry: () => entry,
    openSource: async () => ({}),
  } as unknown as World;
  return { runtime, world };
};

const run = { report: () => {}, signal: new AbortController().signal };
const idsIn = async ({ runtime }: Awaited<ReturnType<typeof open>>) => (await listed(runtime.store)).map(({ backup }) => backup);

describe('prune from the command line', () => {
  it('changes nothing unless it is told to, and takes no lease for that', async () => {
    const at = await open();
    expect(await prune(at.world, { source: SOURCE, apply: false }, run)).toMatchObject({ applied: false, remove: [{ backup: ID }] });
    expect(await idsIn(at)).toEqual([ID, LATER_ID]);
    expect(await Array.fromAsync(at.runtime.control.list(''))).toEqual([]);
  });

  it('works under the lease, gives it back, and is noted as an execution', async () => {
    const at = await open();
    expect(await prune(at.world, { source: SOURCE, apply: true }, run)).toMatchObject({ applied: true, remove: [{ backup: ID }] });
    expect(await idsIn(at)).toEqual([LATER_ID]);
    expect(await leaseHolder(at.runtime.control, SOURCE)).toBeUndefined();
    expect(await Array.fromAsync(listExecutions(at.runtime.control))).toMatchObject([{ machine: 'prune', end: { status: 'SUCCEEDED' } }]);
  });

  it('removes nothing while a backup has the lease', async () => {
    const at = await open();
    const now = at.runtime.now();
    at.runtime.states.set('arn:backup', 'running');
    const expiresAt = new Date(now.getTime() + 3_600_000);
    await acquireLease(at.runtime.control, { source: SOURCE, execution: 'arn:backup', expiresAt, now, ownerState: async () => 'running' });
    await expect(prune(at.world, { source: SOURCE, apply: true }, run)).rejects.toMatchObject({ code: 'LeaseHeld' });
    expect(await idsIn(at)).toEqual([ID, LATER_ID]);
    expect(await Array.fromAsync(listExecutions(at.runtime.control))).toMatchObject([
      { end: { status: 'FAILED', output: { error: 'LeaseHeld' } } },
    ]);
  });

  it('gives the lease back when it is interrupted', async () => {
    const at = await open();
    const signal = AbortSignal.abort(new Error('Ctrl-C'));
    await expect(prune(at.world, { source: SOURCE, apply: true }, { ...run, signal })).rejects.toThrow('Ctrl-C');
    expect(await leaseHolder(at.runtime.control, SOURCE)).toBeUndefined();
  });
});
