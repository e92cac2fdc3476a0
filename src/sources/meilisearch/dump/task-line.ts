import { z } from 'zod';
import { invalid } from './invalid.ts';

/** One line of tasks/queue.jsonl. */
const TaskLineSchema = z.object({
  uid: z.int().nonnegative(),
  indexUid: z.string().nullable().optional(),
  status: z.enum(['enqueued', 'processing', 'succeeded', 'failed', 'canceled']),
  type: z.union([z.string(), z.record(z.string(), z.unknown())]),
  details: z.unknown().optional(),
  enqueuedAt: z.string(),
});

const ImportSchema = z.object({ documentImport: z.object({ documents_count: z.number() }) });

export const checkTask = (
  value: unknown,
  number: number,
): { readonly uid: number; readonly enqueued: boolean; readonly needsFile: boolean } => {
  const task = TaskLineSchema.safeParse(value);
  if (!task.success)
    throw invalid(
      `line ${number} of tasks/queue.jsonl: ${task.error.issues[0]?.path.join('.') ?? ''} ${task.error.issues[0]?.message ?? ''}`,
    );
  const enqueued = task.data.status === 'enqueued' || task.data.status === 'processing';
  const imported = ImportSchema.safeParse(task.data.type);
  const needsFile = enqueued && imported.success && imported.data.documentImport.documents_count > 0;
  if (needsFile && (task.data.details === undefined || task.data.details === null))
    throw invalid(`enqueued task ${task.data.uid} has no details: Meilisearch would crash on it`);
  return { uid: task.data.uid, enqueued, needsFile };
};
