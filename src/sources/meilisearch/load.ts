import { z } from 'zod';
import { restoreInput } from '../../backup/restore-input.ts';
import type { Segment } from '../../backup/types.ts';
import { parseJson } from '../../json.ts';
import type { Cursor, Part, Services, Stage, TaskContext } from '../contract.ts';
import type { InstanceAddress } from './address.ts';
import { contentsOf, documentSegments, fileTar, isFile } from './artifact.ts';
import { type Client, withClient } from './client.ts';
import { DOCUMENTS } from './dump/contents.ts';
import { fileBatches } from './file-batches.ts';
import { requireMarker } from './marker.ts';
import { batchesOf, postBatch, throttle } from './post-documents.ts';
import { waitTasks } from './wait-tasks.ts';

const TaskSchema = z.union([z.strictObject({ index: z.string() }), z.strictObject({ file: z.literal(true) })]);
type Task = z.output<typeof TaskSchema>;

/** Steps done (segments, or batches of a file), and tasks of the server that were open then. */
const CursorSchema = z.strictObject({ done: z.int().nonnegative(), open: z.array(z.int()), looks: z.int() });

/** Seconds between two looks when all is sent and the server still works. */
const LOOK_SECONDS = 5;

/** One task an index, so that its documents keep their order. Sending a document twice changes nothing. */
export const loadStage = (address: InstanceAddress, services: Services): Stage => ({
  name: 'load',
  mode: 'independent',
  async *plan(context) {
    const { manifest } = restoreInput(context);
    if (isFile(manifest)) yield { task: { file: true } };
    else
      for (const { uid } of (await contentsOf(context, manifest)).indexes)
        if (documentSegments(manifest, uid).length > 0) yield { task: { index: uid } };
  },
  run: (json, context, resume) =>
    withClient(address, services, context.budget.signal, async (client) => {
      const { restore } = restoreInput(context);
      await requireMarker(client, restore);
      return load(client, TaskSchema.parse(json), context, resume);
    }),
});

const load = async (client: Client, task: Task, context: TaskContext, resume: Cursor | undefined): Promise<Part> => {
  const from = resume === undefined ? { done: 0, open: [], looks: 0 } : CursorSchema.parse(parseJson(resume));
  let open: readonly number[] = from.open;
  let done = from.done;
  const { budget } = context;
  const handBack = (cursor: z.output<typeof CursorSchema>, afterSeconds?: number): Part => ({
    segments: [],
    digests: [],
    next: { cursor: JSON.stringify(cursor) as Cursor, ...(afterSeconds === undefined ? {} : { afterSeconds }) },
  });
  for await (const { index, batches } of stepsOf(task, context, from.done)) {
    for (const batch of batches) {
      open = await throttle(client, [...open, await postBatch(client, index, batch)], budget);
      context.progress({ rows: 0, bytes: batch.length, what: index });
    }
    done++;
    if (budget.remaining() <= 0) return handBack({ done, open: [...open], looks: 0 });
  }
  const left = await waitTasks(client, open, budget);
  if (left.length > 0) return handBack({ done, open: left, looks: from.looks + 1 }, LOOK_SECONDS);
  return { segments: [], digests: [] };
};

interface Step {
  readonly index: string;
  readonly batches: Iterable<Buffer>;
}

async function* stepsOf(task: Task, context: TaskContext, skip: number): AsyncGenerator<Step> {
  const { manifest } = restoreInput(context);
  if ('index' in task) {
    for (const segment of documentSegments(manifest, task.index).slice(skip))
      yield { index: task.index, batches: batchesOf(await wholeSegment(context, segment)) };
    return;
  }
  const { indexes } = await contentsOf(context, manifest);
  const uids = new Map(indexes.map(({ folder, uid }) => [folder, uid]));
  let at = 0;
  for await (const { path, lines } of fileBatches(fileTar(context.read, manifest), (path) => uids.has(DOCUMENTS.exec(path)?.[1] ?? '')))
    if (at++ >= skip) yield { index: uids.get(DOCUMENTS.exec(path)?.[1] ?? '') ?? '', batches: [lines] };
}

/** All of it, before anything is sent: a target without transactions must not see a part of a segment that is damaged. */
const wholeSegment = async ({ read }: TaskContext, segment: Segment): Promise<Buffer> => {
  const parts: Uint8Array[] = [];
  for await (const chunk of read.read(segment)) parts.push(chunk);
  return Buffer.concat(parts);
};
