import { z } from 'zod';
import { loadDigest } from '../../backup/digest.ts';
import { restoreInput } from '../../backup/restore-input.ts';
import { parseJson } from '../../json.ts';
import type { Cursor, Part, Services, Stage, TaskContext } from '../contract.ts';
import type { InstanceAddress } from './address.ts';
import { type Index, indexesOf, statsOf } from './api.ts';
import { auditInstance } from './audit-checks.ts';
import { type Client, withClient } from './client.ts';
import { DOCUMENT_COLUMNS, documentRows, documentsClass } from './dump/document-row.ts';
import { MARKER_INDEX } from './marker.ts';
import { readPages } from './pages.ts';
import { RANGE_BYTES, rangesOf } from './plan.ts';
import { type Range, RangeSchema } from './tasks.ts';

const TaskSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('instance') }),
  z.strictObject({ kind: z.literal('documents'), ...RangeSchema.shape }),
]);

/** Of one range. */
export const CursorSchema = z.strictObject({ documents: z.int().positive() });

/** Reads every document that is really there, by ranges of its own, and asks what applications asked. */
export const auditStage = (address: InstanceAddress, services: Services, rangeBytes: number = RANGE_BYTES): Stage => ({
  name: 'audit',
  mode: 'independent',
  async *plan(context) {
    yield { task: { kind: 'instance' } };
    const ranges = await withClient(address, services, context.budget.signal, async (client) => {
      const stats = await statsOf(client);
      return (await auditedIndexes(client, context)).flatMap((index) => [...rangesOf(index, stats, rangeBytes)]);
    });
    for (const range of ranges) yield { task: { kind: 'documents', ...range } };
  },
  run: (json, context, resume) =>
    withClient(address, services, context.budget.signal, async (client) => {
      const task = TaskSchema.parse(json);
      return task.kind === 'instance'
        ? auditInstance(client, await auditedIndexes(client, context), context, services)
        : auditDocuments(client, task, context, resume);
    }),
});

/** All of the target, or, where a restore only replaced its own indexes, those. */
export const auditedIndexes = async (
  client: Client,
  context: Pick<TaskContext, 'input'> & Parameters<typeof restoreInput>[0],
): Promise<Index[]> => {
  const { manifest, overwrite } = restoreInput(context);
  const ours = new Set(manifest.digests.map(({ name }) => name));
  return (await indexesOf(client)).filter(({ uid }) => uid !== MARKER_INDEX && (!overwrite || ours.has(documentsClass(uid))));
};

export const auditDocuments = async (client: Client, range: Range, context: TaskContext, resume: Cursor | undefined): Promise<Part> => {
  const skip = resume === undefined ? 0 : CursorSchema.parse(parseJson(resume)).documents;
  const name = documentsClass(range.index);
  const digest = (await loadDigest()).open(name, DOCUMENT_COLUMNS);
  const rows = documentRows(digest, range.primaryKey);
  let bytes = 0;
  let told = { rows: 0, bytes: 0 };
  const { documents, complete } = await readPages(
    client,
    { index: range.index, from: range.from + skip, to: range.to, documentBytes: range.documentBytes },
    {
      document(page, slice) {
        rows.add(page, slice);
        bytes += slice.end - slice.start;
      },
      async page(read) {
        context.budget.signal.throwIfAborted();
        context.progress({ rows: read - told.rows, bytes: bytes - told.bytes, what: name });
        told = { rows: read, bytes };
        return context.budget.remaining() <= 0 ? 'stop' : undefined;
      },
    },
  );
  const part = { segments: [], digests: [digest.end()] };
  return complete ? part : { ...part, next: { cursor: JSON.stringify({ documents: skip + documents }) as Cursor } };
};
