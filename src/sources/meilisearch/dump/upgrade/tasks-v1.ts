import { z } from 'zod';
import { settingsUpdateOfV1 } from './settings.ts';
import { documentClear, documentDeletion, documentImport, LooseSchema, settingsUpdate, type Task, taskError } from './task.ts';

const UpdateSchema = z.object({
  status: z.string(),
  type: z.object({ name: z.string(), number: z.number().optional(), settings: LooseSchema.optional() }),
  error: z.string().optional(),
  errorType: z.string().optional(),
  errorCode: z.string().optional(),
  errorLink: z.string().optional(),
  duration: z.number().optional(),
  enqueuedAt: z.string(),
  processedAt: z.string().optional(),
});

/** An update of version 1; undefined for what cannot be a task: one that waited (its documents are not in the dump), or a custom one. */
export const taskOfV1 = (value: unknown, uid: number, indexUid: string, notes: Set<string>): Task | undefined => {
  const update = UpdateSchema.parse(value);
  if (update.status !== 'processed' && update.status !== 'failed') {
    notes.add(`an update of ${indexUid} was enqueued: version 1 kept no documents of it, it was left out`);
    return undefined;
  }
  const body = bodyOf(update, notes);
  if (body === undefined) return undefined;
  const finished = update.processedAt ?? update.enqueuedAt;
  const failed = update.status === 'failed';
  return {
    uid,
    indexUid,
    status: failed ? 'failed' : 'succeeded',
    ...body,
    error: failed ? taskError(update.error ?? '', update.errorCode ?? 'internal', update.errorType ?? 'internal', update.errorLink) : null,
    enqueuedAt: update.enqueuedAt,
    startedAt: new Date(Date.parse(finished) - (update.duration ?? 0) * 1000).toISOString(),
    finishedAt: finished,
  };
};

const bodyOf = ({ status, type }: z.output<typeof UpdateSchema>, notes: Set<string>): Pick<Task, 'type' | 'details'> | undefined => {
  const documents = type.number ?? 0;
  const done = status === 'processed' ? documents : 0;
  switch (type.name) {
    case 'DocumentsAddition':
      return documentImport({ primaryKey: null, method: 'ReplaceDocuments', documents, create: true }, done);
    case 'DocumentsPartial':
      return documentImport({ primaryKey: null, method: 'UpdateDocuments', documents, create: true }, done);
    case 'DocumentsDeletion':
      return documentDeletion([], done);
    case 'ClearAll':
      return documentClear(null);
    case 'Settings':
      return settingsUpdate(settingsUpdateOfV1(type.settings ?? {}, notes), false);
    default:
      return undefined;
  }
};
