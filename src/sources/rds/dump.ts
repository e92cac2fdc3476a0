import { z } from 'zod';
import { ordinal } from '../../backup/ordinal.ts';
import type { BackupId, Receipt } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { Cursor, Part, Stage, StageContext, TaskContext } from '../contract.ts';
import type { RdsAddress } from './address.ts';
import { awaitCopies, type Copied } from './copies.ts';
import { engineNamed } from './engine.ts';
import type { Means } from './means.ts';
import { cloneId, snapshotId } from './names.ts';
import { EXTENSION, encodeReference, type Reference, referenceIn } from './reference.ts';
import { isLater, type Snapshot } from './shapes.ts';
import { awaitExport, awaitSnapshot } from './snapshot.ts';
import { loginTo } from './temporary.ts';
import { isWaiting, waiting } from './waiting.ts';

/** The task of the snapshot, beside those of the engine that dumps its clone. */
const TaskSchema = z.union([z.strictObject({ snapshot: z.literal(true) }), z.strictObject({ engine: z.json() })]);

/** One task for the snapshot, its copies and its export; before it those that dump the clone, whose ordinals stay as they are. */
export const dumpStage = (means: Means): Stage => ({
  name: 'dump',
  mode: 'independent',
  async *plan(context, resume) {
    if (means.address.mode === 'clone-dump') {
      const stage = await cloneDump(means, context);
      for await (const planned of stage.plan(ofEngine(context), resume)) yield { ...planned, task: { engine: planned.task } };
    }
    yield { task: { snapshot: true } };
  },
  async run(json, context, resume) {
    const task = TaskSchema.parse(json);
    if ('snapshot' in task) return dumpReference(means, context, resume);
    const stage = await cloneDump(means, context);
    return stage.run(task.engine, { ...context, ...ofEngine(context) }, resume);
  },
});

export const backupOf = (context: StageContext): BackupId => {
  if (context.input.kind === 'backup') return context.input.backup;
  throw new Error('a stage of a backup was run within a restore');
};

const cloneDump = async (means: Means, context: StageContext): Promise<Stage> => {
  const { address, services, engines, clients } = means;
  const id = cloneId(backupOf(context));
  const clone = await (await clients.home()).instance(id);
  if (clone === undefined)
    throw new LifeboatError('InstantLost', `the clone ${id} is gone`, {
      hint: 'Somebody deleted it while the backup ran; start a new backup.',
    });
  return engineNamed(engines, clone.engine).dump(
    await loginTo(clone, address, clone.database ?? (await databaseOf(means)), services),
    services,
  );
};

/** A restored instance need not say which database it was made with; production does. */
export const databaseOf = async ({ address, clients }: Means): Promise<string | null> =>
  address.database ?? (await (await clients.home()).instance(address.instance))?.database ?? null;

/** What the engine sees of a backup: only its own receipts. */
export const ofEngine = <Context extends StageContext>(context: Context): Context => ({
  ...context,
  async *receipts(stage: string): AsyncGenerator<Receipt> {
    for await (const receipt of context.receipts(stage)) if (referenceIn(receipt) === undefined && !isWaiting(receipt)) yield receipt;
  },
});

/** The reference that the snapshot's task has left. */
export const gatherReference = async (context: StageContext): Promise<Reference | undefined> => {
  for await (const receipt of context.receipts('dump')) {
    const found = referenceIn(receipt);
    if (found !== undefined) return found;
  }
  return undefined;
};

/** Waits for everything without holding a function, then writes the reference. */
const dumpReference = async (means: Means, context: TaskContext, resume: Cursor | undefined): Promise<Part> => {
  const { address, clients } = means;
  const backup = backupOf(context);
  const api = await clients.home();
  const snapshot = await awaitSnapshot(api, snapshotId(address.instance, backup), backup);
  if (isLater(snapshot)) return waiting(snapshot, context, resume);
  // All are begun before any is waited for.
  const copies = await awaitCopies(clients.open, address, snapshot, backup);
  const exported = address.export === undefined ? null : await awaitExport(api, snapshot, address.export, backup);
  if (isLater(copies)) return waiting(copies, context, resume);
  if (exported !== null && isLater(exported)) return waiting(exported, context, resume);
  const reference = referenceTo(snapshot, {
    address,
    region: api.region,
    database: await databaseOf(means),
    copies,
    exported,
  });
  const segment = await context.write.write(ordinal(context.task, 0), once(encodeReference(reference)), {
    encoding: 'identity',
    extension: EXTENSION,
    role: address.mode === 'snapshot' ? 'artifact' : 'inventory',
    context: reference,
  });
  return { segments: [segment], digests: [] };
};

interface Found {
  readonly address: RdsAddress;
  readonly region: string;
  readonly database: string | null;
  readonly copies: readonly Copied[];
  readonly exported: Reference['export'];
}

const referenceTo = (snapshot: Snapshot, { address, region, database, copies, exported }: Found): Reference => {
  const { id, arn, engine, engineVersion, user, kmsKey, createdAt, bytes } = snapshot;
  if (createdAt === undefined) throw new LifeboatError('SnapshotFailed', `snapshot ${id} is available and has no time`);
  return {
    kind: 'rds-snapshot',
    formatVersion: 1,
    snapshot: id,
    arn,
    region,
    instance: address.instance,
    cluster: address.cluster,
    engine,
    engineVersion,
    database,
    user: address.user ?? user,
    createdAt: createdAt.toISOString(),
    kmsKey: kmsKey ?? null,
    bytes,
    copies: [...copies],
    export: exported,
  };
};

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
