import { z } from 'zod';
import { parseBackupId } from '../src/backup/id.ts';
import type { Runtime } from '../src/backup/runtime.ts';
import type { PlanOutcome } from '../src/backup/stage.ts';
import type { Manifest, Receipt } from '../src/backup/types.ts';
import { readDrill } from '../src/drill/record.ts';
import { type RestoreRecord, readRestore } from '../src/restore/record.ts';
import { manifestOf, withoutPromises } from '../src/restore/resolve.ts';
import type { Later, Target } from '../src/sources/contract.ts';
import type { Store } from '../src/stores/store.ts';
import type { StepContext } from './step.ts';

/** What the steps of one machine have in common: the input that names the run, and the shapes of their answers. */

const Backup = z.string().transform((text, context) => {
  const id = parseBackupId(text);
  if (id === undefined) context.addIssue({ code: 'custom', message: 'not the id of a backup' });
  return id ?? z.NEVER;
});

export const BackupInput = z.object({ source: z.string(), backup: Backup });
export const RestoreInput = z.object({ source: z.string(), restore: z.string() });
export const DrillInput = z.object({ source: z.string(), drill: z.string() });

interface OpenRestore {
  readonly record: RestoreRecord;
  readonly manifest: Manifest;
  readonly target: Target;
}

export const openRestore = async (
  input: { readonly source: string; readonly restore: string },
  context: StepContext,
): Promise<OpenRestore> => {
  const record = await readRestore(context.runtime, input.source, input.restore);
  const drill = record.drill === null ? undefined : await readDrill(context.runtime, input.source, record.drill);
  const manifest = await manifestOf(context.runtime, record);
  const target = await context.openTarget(record, drill);
  return { record, manifest: record.restored === null ? manifest : withoutPromises(manifest), target };
};

/** Where a Map finds a plan, and where it writes its results; null keys while planning goes on. */
export const located = (control: Store, { plan }: Pick<PlanOutcome, 'plan'>, results: string) => ({
  bucket: control.bucket,
  key: plan === null ? null : control.prefix + plan,
  results: control.prefix + results,
});

/** The answer of a step that has nothing to do yet. */
export const notYet = (runtime: Runtime, { afterSeconds, what }: Later) => {
  if (what !== undefined) runtime.report({ type: 'done', stage: 'open', rows: 0, bytes: 0, what });
  return { ready: false, wait: afterSeconds };
};

/** The answer of a task: where its next invocation goes on, if there is one. */
export const continued = (
  runtime: Runtime,
  stage: string,
  input: { readonly line: { readonly task: number }; readonly part: number },
  next: Receipt['next'],
) => {
  runtime.report({ type: 'task', stage, task: input.line.task, status: next === undefined ? 'ended' : 'continued' });
  return { resume: next?.cursor ?? null, wait: next?.afterSeconds ?? 0, part: input.part + 1 };
};
