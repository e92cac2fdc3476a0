import { createHash } from 'node:crypto';
import { LifeboatError } from '../errors.ts';
import { parseJson } from '../json.ts';
import type { Budget, Cursor, Part, Stage, StageContext, TaskContext } from '../sources/contract.ts';
import type { Store } from '../stores/store.ts';
import { namingDamage } from './damage.ts';
import { decodeReceipt, encodeReceipt } from './manifest.ts';
import { readAll, readJson } from './objects.ts';
import { decodeIndex, encodeIndex, type IndexPart, type TaskLine } from './plan-index.ts';
import type { Receipt } from './types.ts';

/** Children of one Map Run: a hard limit of Step Functions. */
export const TASKS_MAX = 10_000;

/** One task as planned; a task that lists more than this should name an object that lists it. */
const TASK_MAX_BYTES = 1024 * 1024;

/** Planned tasks held before they are written, in bytes. */
const TASKS_OBJECT_MAX_BYTES = 64 * 1024 * 1024;

const CURSOR_MAX_BYTES = 4 * 1024;
const FACTS_MAX_BYTES = 64 * 1024;

/** Where a stage keeps its plan and its receipts. */
export interface Room {
  readonly control: Store;
  /** In `control`, with a slash at the end. */
  readonly plan: string;
  readonly receipts: Store;
  readonly receiptKey: (task: number, part: number) => string;
  /** Of all receipts of the stage, in `receipts`. */
  readonly receiptsPrefix: string;
}

export interface PlanOutcome {
  readonly tasks: number;
  /** Key of the finished plan in `control`; null while planning goes on. */
  readonly plan: string | null;
  readonly resume: string | null;
}

export const indexKey = (room: Room, part: number): string => `${room.plan}index.${String(part).padStart(4, '0')}.json`;

/** One invocation of planning: writes what it planned, and the whole plan when it came to the end. */
export const planStage = async (
  stage: Stage,
  room: Room,
  context: StageContext,
  at: { readonly part: number; readonly resume: string | null },
): Promise<PlanOutcome> => {
  const key = indexKey(room, at.part);
  const known = await readJson(room.control, key);
  const index = known === undefined ? await planPart(stage, room, context, at, key) : decodeIndex(known, key);
  if (index.resume !== null) return { tasks: 0, plan: null, resume: index.resume };
  return writePlan(room, at.part);
};

const planPart = async (
  stage: Stage,
  room: Room,
  context: StageContext,
  at: { readonly part: number; readonly resume: string | null },
  key: string,
): Promise<IndexPart> => {
  const lines: Uint8Array[] = [];
  const ranges: { start: number; end: number }[] = [];
  let bytes = 0;
  let resume: string | null = null;
  for await (const planned of stage.plan(context, (at.resume ?? undefined) as Cursor | undefined)) {
    const line = Buffer.from(`${JSON.stringify(planned.task)}\n`);
    if (line.length > TASK_MAX_BYTES) throw tooLarge(stage, `a task of ${line.length} bytes`);
    lines.push(line);
    ranges.push({ start: bytes, end: bytes + line.length });
    bytes += line.length;
    if (ranges.length > TASKS_MAX) throw tooLarge(stage, `more than ${TASKS_MAX} tasks`);
    if (bytes > TASKS_OBJECT_MAX_BYTES && planned.resume === undefined)
      throw tooLarge(stage, `tasks of more than ${TASKS_OBJECT_MAX_BYTES} bytes`);
    if (planned.resume !== undefined && (context.budget.remaining() <= 0 || bytes > TASKS_OBJECT_MAX_BYTES)) {
      resume = checkedCursor(planned.resume, at.resume);
      break;
    }
  }
  const body = Buffer.concat(lines);
  const tasksKey = `${room.plan}tasks.${at.part}-${createHash('sha256').update(body).digest('hex').slice(0, 8)}.jsonl`;
  await room.control.create(tasksKey, body);
  const index: IndexPart = { key: tasksKey, ranges, resume };
  const { created } = await room.control.create(key, encodeIndex(index));
  return created ? index : decodeIndex(await readJson(room.control, key), key);
};

const tooLarge = (stage: Stage, what: string): LifeboatError =>
  new LifeboatError('PlanTooLarge', `the plan of stage ${stage.name} has ${what}`, { hint: 'Raise the chunk size of this source.' });

const writePlan = async (room: Room, lastPart: number): Promise<PlanOutcome> => {
  const lines: string[] = [];
  for (let part = 0; part <= lastPart; part++) {
    const key = indexKey(room, part);
    const index = decodeIndex(await readJson(room.control, key), key);
    for (const { start, end } of index.ranges) {
      const line: TaskLine = { task: lines.length, key: index.key, start, end };
      lines.push(`${JSON.stringify(line)}\n`);
    }
  }
  if (lines.length > TASKS_MAX) throw new LifeboatError('PlanTooLarge', `the plan has ${lines.length} tasks, more than ${TASKS_MAX}`);
  const plan = `${room.plan}plan.jsonl`;
  await room.control.create(plan, Buffer.from(lines.join('')));
  return { tasks: lines.length, plan, resume: null };
};

export interface TaskInput {
  readonly line: TaskLine;
  readonly part: number;
  readonly resume: string | null;
}

/** One invocation of a task. The receipt that is stored first counts; a doubled or late attempt answers what that one says. */
export const runTask = async (stage: Stage, room: Room, context: TaskContext, input: TaskInput): Promise<Receipt['next']> => {
  const { line, part } = input;
  const key = room.receiptKey(line.task, part);
  const known = await readAll(room.receipts, key);
  if (known !== undefined) return decodeReceipt(known).next;
  const spec = await readAll(room.control, line.key, { start: line.start, end: line.end });
  if (spec === undefined) throw new LifeboatError('TaskMissing', `task ${line.task} of stage ${stage.name} is not at ${line.key}`);
  const task = parseJson(Buffer.from(spec).toString('utf8'));
  const resume = (input.resume ?? undefined) as Cursor | undefined;
  const done = await namingDamage(context, (watched) => stage.run(task, watched, resume));
  const receipt = receiptOf(stage, done, input);
  const { created } = await room.receipts.create(key, encodeReceipt(receipt));
  if (created) return receipt.next;
  const first = await readAll(room.receipts, key);
  if (first === undefined) throw new LifeboatError('StoreConflict', `receipt ${key} was there and is gone`);
  return decodeReceipt(first).next;
};

const receiptOf = (stage: Stage, done: Part, { line, part, resume }: TaskInput): Receipt => {
  if (Buffer.byteLength(JSON.stringify(done.facts ?? null)) > FACTS_MAX_BYTES)
    throw new LifeboatError('ReceiptTooLarge', `task ${line.task} of stage ${stage.name} has facts of more than ${FACTS_MAX_BYTES} bytes`);
  const next =
    done.next === undefined
      ? undefined
      : {
          cursor: done.next.afterSeconds === undefined ? checkedCursor(done.next.cursor, resume) : done.next.cursor,
          ...(done.next.afterSeconds === undefined ? {} : { afterSeconds: done.next.afterSeconds }),
        };
  return {
    task: line.task,
    part,
    segments: done.segments,
    digests: done.digests,
    ...(done.facts === undefined ? {} : { facts: done.facts }),
    ...(next === undefined ? {} : { next }),
  };
};

const checkedCursor = (cursor: string, before: string | null): string => {
  if (Buffer.byteLength(cursor) > CURSOR_MAX_BYTES)
    throw new LifeboatError('ReceiptTooLarge', `a cursor of more than ${CURSOR_MAX_BYTES} bytes`);
  if (cursor === before)
    throw new LifeboatError('NoProgress', `an invocation ended where it began, at cursor ${cursor.slice(0, 80)}`, {
      hint: 'The smallest piece of this source takes longer than one function may run; lower the chunk size.',
    });
  return cursor;
};

/** All receipts of a stage, by task and part; fails with BackupIncomplete unless each of `tasks` tasks came to its end. */
export async function* readReceipts(room: Room, tasks: number): AsyncGenerator<Receipt> {
  let task = 0;
  let part = 0;
  for await (const { key } of room.receipts.list(room.receiptsPrefix)) {
    const bytes = await readAll(room.receipts, key);
    if (bytes === undefined) throw new LifeboatError('BackupIncomplete', `receipt ${key} is gone`);
    const receipt = decodeReceipt(bytes);
    if (receipt.task !== task || receipt.part !== part)
      throw new LifeboatError('BackupIncomplete', `the receipt of task ${task} part ${part} is missing below ${room.receiptsPrefix}`);
    yield receipt;
    if (receipt.next === undefined) {
      task += 1;
      part = 0;
    } else {
      part += 1;
    }
  }
  if (task !== tasks || part !== 0)
    throw new LifeboatError('BackupIncomplete', `${task} of ${tasks} tasks below ${room.receiptsPrefix} have come to their end`);
}

/** A budget that others may end early. */
export const withSignal = (budget: Budget, signal: AbortSignal): Budget => ({
  remaining: () => (signal.aborted ? 0 : budget.remaining()),
  signal: AbortSignal.any([budget.signal, signal]),
});
