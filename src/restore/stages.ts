import { planPrefix, runPrefix } from '../backup/layout.ts';
import { createJson, readJson } from '../backup/objects.ts';
import { type Run, restoreRun } from '../backup/rooms.ts';
import type { Runtime } from '../backup/runtime.ts';
import { type PlanOutcome, planStage } from '../backup/stage.ts';
import type { Manifest } from '../backup/types.ts';
import { LifeboatError } from '../errors.ts';
import type { Budget, Stage, Target } from '../sources/contract.ts';
import type { RestoreRecord } from './record.ts';

export const AUDIT = 'audit';

/** The stages of a restore in order; the audit is always the last. */
export const stagesOf = (target: Target, record: RestoreRecord): readonly Stage[] =>
  record.only === AUDIT ? [target.audit] : [...target.stages, target.audit];

export const firstStage = (target: Target, record: RestoreRecord): string => stageNames(target, record)[0] ?? AUDIT;

const stageNames = (target: Target, record: RestoreRecord): readonly string[] => stagesOf(target, record).map((stage) => stage.name);

export const stageNamed = (target: Target, record: RestoreRecord, name: string): Stage => {
  const stage = stagesOf(target, record).find((candidate) => candidate.name === name);
  if (stage === undefined) throw new LifeboatError('TaskMissing', `a restore has no stage ${name}`);
  return stage;
};

export const runOf = (runtime: Runtime, record: RestoreRecord, manifest: Manifest): Run =>
  restoreRun(runtime, {
    source: record.source,
    restore: record.restore,
    manifest,
    scratch: record.drill !== null,
    overwrite: record.overwrite,
  });

export interface StagePlanned extends PlanOutcome {
  /** The stage after this one; null after the audit. */
  readonly next: string | null;
}

/** Plans one stage, and notes when it began: the report shows what the time went into. */
export const planRestoreStage = async (
  runtime: Runtime,
  target: Target,
  record: RestoreRecord,
  manifest: Manifest,
  at: { readonly stage: string; readonly part: number; readonly resume: string | null },
  budget: Budget,
): Promise<StagePlanned> => {
  const stage = stageNamed(target, record, at.stage);
  await createJson(runtime.control, begunKey(record, at.stage), { at: runtime.now().toISOString() });
  const run = runOf(runtime, record, manifest);
  const outcome = await planStage(stage, run.room(stage.name), run.context(budget), { part: at.part, resume: at.resume });
  if (outcome.plan !== null) runtime.report({ type: 'planned', stage: stage.name, tasks: outcome.tasks });
  const names = stageNames(target, record);
  return { ...outcome, next: names[names.indexOf(at.stage) + 1] ?? null };
};

const BEGUN = 'begun.json';

const begunKey = (record: RestoreRecord, stage: string): string => `${planPrefix(record.source, record.restore, stage)}${BEGUN}`;

export interface Phase {
  readonly name: string;
  readonly seconds: number;
}

/** Seconds that each stage took, from its planning to the planning of the next; the last one until `end`. */
export const phasesOf = async (runtime: Runtime, target: Target, record: RestoreRecord, end: Date): Promise<readonly Phase[]> => {
  const names = stageNames(target, record);
  const begun = await Promise.all(names.map(async (name) => beginningOf(await readJson(runtime.control, begunKey(record, name)))));
  return names.flatMap((name, index) => {
    const start = begun[index];
    if (start === undefined) return [];
    const stop = begun.slice(index + 1).find((time) => time !== undefined) ?? end.getTime();
    return [{ name, seconds: (stop - start) / 1000 }];
  });
};

/**
 * The phases of a restore whose audit broke off: up to the audit all was done, and the system could be used. Empty when it did not come
 * that far.
 */
export const phasesBeforeAudit = async (runtime: Runtime, record: RestoreRecord): Promise<readonly Phase[]> => {
  const begun: { readonly name: string; readonly at: number }[] = [];
  const plans = `${runPrefix(record.source, record.restore)}plans/`;
  for await (const { key } of runtime.control.list(plans)) {
    const [name = '', file] = key.slice(plans.length).split('/');
    const at = file === BEGUN ? beginningOf(await readJson(runtime.control, key)) : undefined;
    if (at !== undefined) begun.push({ name, at });
  }
  const sorted = begun.sort((a, b) => a.at - b.at);
  const end = sorted.find(({ name }) => name === AUDIT)?.at;
  if (end === undefined) return [];
  const before = sorted.filter(({ name }) => name !== AUDIT);
  return before.map(({ name, at }, index) => ({ name, seconds: ((before[index + 1]?.at ?? end) - at) / 1000 }));
};

const beginningOf = (value: unknown): number | undefined =>
  typeof value === 'object' && value !== null && 'at' in value && typeof value.at === 'string' ? Date.parse(value.at) : undefined;
