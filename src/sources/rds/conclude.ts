import { LifeboatError } from '../../errors.ts';
import type { Conclusion, Stage, StageContext } from '../contract.ts';
import { gatherReference, ofEngine } from './dump.ts';
import { type Engine, engineNamed } from './engine.ts';
import { snapshotGuide } from './guide.ts';
import type { Reference } from './reference.ts';

/** The clone is gone by now: whatever is left to write comes from receipts. A snapshot alone has nothing to seal. */
export const sealStage = (engines: readonly Engine[]): Stage => ({
  name: 'seal',
  mode: 'independent',
  async *plan(context, resume) {
    if (await wasDumped(context)) yield* (await engineOf(context, engines)).seal.plan(ofEngine(context), resume);
  },
  run: async (task, context, resume) => (await engineOf(context, engines)).seal.run(task, ofEngine(context), resume),
});

export const concludeBackup = async (context: StageContext, engines: readonly Engine[]): Promise<Conclusion> => {
  const reference = await referenceTo(context);
  if (!(await wasDumped(context))) return concludeSnapshot(reference);
  const conclusion = await (await engineOf(context, engines)).conclude(ofEngine(context));
  const { token } = conclusion.pointInTime;
  // The moment of the snapshot, not that in which its clone was read.
  const pointInTime = { consistency: 'quiesced', at: reference.createdAt, token } as const;
  return { ...conclusion, pointInTime, guide: `${conclusion.guide}\n\n${snapshotGuide(reference)}` };
};

const concludeSnapshot = (reference: Reference): Conclusion => ({
  pointInTime: { consistency: 'snapshot', at: reference.createdAt, token: { snapshot: reference.arn } },
  artifact: {
    format: 'reference to an RDS snapshot',
    restoreWith: reference.cluster ? 'aws rds restore-db-cluster-from-snapshot' : 'aws rds restore-db-instance-from-db-snapshot',
  },
  assertions: [],
  // Nothing was read: a restore has nothing to be compared with.
  details: null,
  notIncluded: {},
  needs: `RDS snapshot ${reference.arn}`,
  guide: snapshotGuide(reference),
});

const referenceTo = async (context: StageContext): Promise<Reference> => {
  const reference = await gatherReference(context);
  if (reference === undefined) throw new LifeboatError('BackupIncomplete', 'the receipts of the dump name no snapshot');
  return reference;
};

const engineOf = async (context: StageContext, engines: readonly Engine[]): Promise<Engine> =>
  engineNamed(engines, (await referenceTo(context)).engine);

/** A clone leaves segments of an artifact beside the reference. */
const wasDumped = async (context: StageContext): Promise<boolean> => {
  for await (const { segments } of ofEngine(context).receipts('dump')) if (segments.length > 0) return true;
  return false;
};
