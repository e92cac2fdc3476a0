import { randomUUID } from 'node:crypto';
import { listBackups } from '../backup/catalog.ts';
import { acquireLease, releaseLease } from '../backup/lease.ts';
import { pruneBackups } from '../backup/prune.ts';
import { planRetention } from '../backup/retention.ts';
import type { PruneResult, Run } from '../cli/engine.ts';
import { beginExecution, endExecution, localExecutionArn } from '../environment/executions.ts';
import type { World } from '../environment/world.ts';
import { LifeboatError } from '../errors.ts';

/** A prune holds the lease for at most this long, in milliseconds: one that needs more is run again. */
const LEASE_MS = 60 * 60 * 1000;

/** Says what retention removes; removes it under the lease, as the machine does. */
export const prune = async (world: World, input: { readonly source: string; readonly apply: boolean }, run: Run): Promise<PruneResult> => {
  const { runtime, entry } = world;
  const { retention: policy, timezone } = entry(input.source);
  if (policy === undefined)
    throw new LifeboatError('RetentionRefused', `source ${input.source} has no retention policy`, {
      hint: 'Give it one in the environment file: "retention": {"daily": 14, "minimum": 3}.',
    });
  const entries = await Array.fromAsync(listBackups(runtime.store, input.source));
  const planned = planRetention(entries, policy, runtime.now(), { timezone });
  const frozen = planned.frozen[input.source];
  if (input.apply) await apply(world, input.source, run);
  return {
    source: input.source,
    applied: input.apply,
    keep: planned.keep.map(({ entry: kept, why }) => ({ backup: kept.backup, why })),
    remove: planned.remove.map(({ backup: id }) => ({ backup: id })),
    ...(frozen === undefined ? {} : { frozen }),
  };
};

/** It may take as long as it takes, but not longer than its lease. */
const apply = async ({ runtime, entry, environment, openSource }: World, source: string, run: Run): Promise<void> => {
  const { control } = runtime;
  const { retention: policy, timezone } = entry(source);
  const { forget } = await openSource(source);
  const start = runtime.now();
  // Noted as an execution, so that others can tell whether whoever has the lease is still there.
  const execution = localExecutionArn(
    `${environment.name}-prune`,
    `${start.toISOString().replace(/[-:]|\.\d+/g, '')}-${randomUUID().slice(0, 8)}`,
  );
  await beginExecution(control, execution, 'prune', { source }, start);
  const ended = (status: 'SUCCEEDED' | 'FAILED' | 'ABORTED', output: string | null) =>
    endExecution(control, execution, { status, endedAt: runtime.now().toISOString(), output: output === null ? null : { error: output } });
  try {
    const expiresAt = new Date(start.getTime() + LEASE_MS);
    const lease = await acquireLease(control, { source, execution, expiresAt, now: start, ownerState: runtime.executionState });
    try {
      const budget = { remaining: () => (run.signal.aborted ? 0 : expiresAt.getTime() - runtime.now().getTime()), signal: run.signal };
      const { done } = await pruneBackups(runtime, { source, policy, timezone, lease: lease.token, forget }, budget);
      run.signal.throwIfAborted();
      if (!done)
        throw new LifeboatError('LeaseLost', `pruning ${source} took longer than its lease`, { hint: 'Run it again: it goes on.' });
    } finally {
      await releaseLease(control, source, lease.token);
    }
  } catch (error) {
    await ended(run.signal.aborted ? 'ABORTED' : 'FAILED', error instanceof Error ? error.name : 'Error');
    throw error;
  }
  await ended('SUCCEEDED', null);
};
