import type { Budget, Source } from '../sources/contract.ts';
import { listBackups } from './catalog.ts';
import { folders } from './folders.ts';
import { parseBackupId, timeOf } from './id.ts';
import { backupPrefix, backupsPrefix, manifestKey } from './layout.ts';
import { checkLease } from './lease.ts';
import { planRetention, type Retained, type RetentionPolicy } from './retention.ts';
import type { Runtime } from './runtime.ts';
import { sweepPool } from './sweep.ts';
import type { BackupId, Manifest } from './types.ts';

/** Age at which objects that no manifest names are swept: longer than any backup runs. */
const SWEEP_AFTER_MS = 7 * 24 * 60 * 60 * 1000;

export interface PruneInput {
  readonly source: string;
  /** Undefined keeps everything. */
  readonly policy: RetentionPolicy | undefined;
  /** In which days, weeks and months begin; UTC when undefined. */
  readonly timezone: string | undefined;
  /** Token of the lease of the backup that prunes: once that is lost, nothing more is removed. */
  readonly lease?: string | undefined;
  /** Removes what a backup keeps outside of the store; see Source. */
  readonly forget?: Source['forget'];
}

export interface PruneOutcome {
  readonly removed: readonly string[];
  /** Folders of backups that never came to a manifest. */
  readonly swept: readonly string[];
  readonly done: boolean;
}

/** Removes what the policy does not keep, manifests first, as far as the budget goes; calling it again goes on. */
export const pruneBackups = async (runtime: Runtime, input: PruneInput, budget: Budget): Promise<PruneOutcome> => {
  const removed: string[] = [];
  const swept: string[] = [];
  const guard = async (): Promise<void> => {
    if (input.lease !== undefined) await checkLease(runtime.control, input.source, input.lease, runtime.now());
  };
  const outcome = (done: boolean): PruneOutcome => ({ removed, swept, done });
  if (input.policy !== undefined) {
    const entries: Retained[] = [];
    const manifests = new Map<string, Manifest>();
    for await (const entry of listBackups(runtime.store, input.source)) {
      const { source, backup, state, recordedAt, proof } = entry;
      entries.push({ source, backup, state, recordedAt, proof });
      if (input.forget !== undefined && entry.state === 'sound') manifests.set(backup, entry.manifest);
    }
    const { remove, frozen } = planRetention(entries, input.policy, runtime.now(), { timezone: input.timezone });
    const why = frozen[input.source];
    if (why !== undefined) runtime.report({ type: 'warning', message: `nothing is pruned: ${why}` });
    for (const { backup } of remove) {
      await guard();
      await runtime.store.delete(manifestKey(input.source, backup));
      removed.push(backup);
      // Whoever dies here leaves a folder without a manifest, which is swept later, and forgotten then.
      await input.forget?.(backup, manifests.get(backup));
      if (!(await removeFolder(runtime, backupPrefix(input.source, backup), budget))) return outcome(false);
    }
  }
  for (const { id, folder } of await unsealedFolders(runtime, input.source)) {
    await guard();
    swept.push(folder);
    await input.forget?.(id, undefined);
    if (!(await removeFolder(runtime, folder, budget))) return outcome(false);
  }
  // Only under the lease: a backup that is being made counts on what the pool has. What is left over goes with the next one.
  if (removed.length > 0 && input.lease !== undefined) await sweepPool(runtime, input.source, guard, budget);
  return outcome(true);
};

const removeFolder = async (runtime: Runtime, prefix: string, budget: Budget): Promise<boolean> => {
  for await (const { key } of runtime.store.list(prefix)) {
    await runtime.store.delete(key);
    if (budget.remaining() <= 0) return false;
  }
  return true;
};

/** Folders of backups that have objects, no manifest, and nothing so young that an execution may still be working on them. */
const unsealedFolders = async (
  runtime: Runtime,
  source: string,
): Promise<readonly { readonly id: BackupId; readonly folder: string }[]> => {
  const root = backupsPrefix(source);
  const before = runtime.now().getTime() - SWEEP_AFTER_MS;
  const unsealed: { id: BackupId; folder: string }[] = [];
  for await (const { name, first } of folders(runtime.store, root)) {
    const id = parseBackupId(name);
    if (id === undefined || timeOf(id).getTime() > before) continue;
    // A backup that was scheduled long ago may be made only now.
    const stays = first.some(({ key, modified }) => key === manifestKey(source, id) || modified.getTime() > before);
    if (!stays) unsealed.push({ id, folder: `${root}${id}/` });
  }
  return unsealed;
};
