import { z } from 'zod';
import { LifeboatError } from '../errors.ts';
import { parseJson } from '../json.ts';
import type { Budget, Stage } from '../sources/contract.ts';
import { readAll } from './objects.ts';
import { type TaskLine, TaskLineSchema } from './plan-index.ts';
import type { Run } from './rooms.ts';
import { planStage, runTask } from './stage.ts';

const CursorSchema = z.union([
  z.strictObject({ planning: z.int().nonnegative(), resume: z.string().nullable() }),
  z.strictObject({ task: z.int().nonnegative(), part: z.int().nonnegative(), resume: z.string().nullable() }),
]);
type SequenceCursor = z.infer<typeof CursorSchema>;

/** Where the next invocation goes on; `resume` is null when the stage is done. */
export interface SequenceOutcome {
  readonly resume: string | null;
  /** Seconds in which there is nothing to do. */
  readonly wait: number;
}

/** Runs a whole small stage (seal, discard) in one function, task after task, as far as the budget goes. */
export const runSequence = async (stage: Stage, run: Run, budget: Budget, resume: string | null): Promise<SequenceOutcome> => {
  let cursor: SequenceCursor = resume === null ? { planning: 0, resume: null } : CursorSchema.parse(parseJson(resume));
  while ('planning' in cursor) {
    const outcome = await planStage(stage, run.room(stage.name), run.context(budget), { part: cursor.planning, resume: cursor.resume });
    cursor = outcome.plan === null ? { planning: cursor.planning + 1, resume: outcome.resume } : { task: 0, part: 0, resume: null };
    if (budget.remaining() <= 0) return { resume: JSON.stringify(cursor), wait: 0 };
  }
  const lines = await readPlan(stage, run);
  while (cursor.task < lines.length) {
    const line = lines[cursor.task] as TaskLine;
    const next = await runTask(stage, run.room(stage.name), run.taskContext(stage.name, cursor.task, budget), {
      line,
      part: cursor.part,
      resume: cursor.resume,
    });
    cursor =
      next === undefined
        ? { task: cursor.task + 1, part: 0, resume: null }
        : { task: cursor.task, part: cursor.part + 1, resume: next.cursor };
    const wait = next?.afterSeconds ?? 0;
    if (wait > 0 || (budget.remaining() <= 0 && cursor.task < lines.length)) return { resume: JSON.stringify(cursor), wait };
  }
  return { resume: null, wait: 0 };
};

const readPlan = async (stage: Stage, run: Run): Promise<readonly TaskLine[]> => {
  const room = run.room(stage.name);
  const bytes = await readAll(room.control, `${room.plan}plan.jsonl`);
  if (bytes === undefined) throw new LifeboatError('TaskMissing', `stage ${stage.name} has no plan at ${room.plan}`);
  const text = Buffer.from(bytes).toString('utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => TaskLineSchema.parse(parseJson(line)));
};
