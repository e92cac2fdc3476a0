import { z } from 'zod';
import type { Json } from '../../../../backup/types.ts';
import { isLoose, settingsOfV2 } from './settings.ts';
import {
  documentClear,
  documentDeletion,
  documentImport,
  JsonValue,
  type Loose,
  LooseSchema,
  settingsUpdate,
  snakeCase,
  type Task,
  taskError,
} from './task.ts';

/** An update of versions 2 and 3, which differ in how they say what was to be done, and what failed. */
const UpdateSchema = z.object({
  status: z.string(),
  meta: z.union([z.string(), LooseSchema]),
  enqueuedAt: z.string(),
  content: z.string().nullable().optional(),
  success: JsonValue.optional(),
  startedProcessingAt: z.string().optional(),
  processedAt: z.string().optional(),
  failedAt: z.string().optional(),
  abortedAt: z.string().optional(),
  error: z.object({ message: z.string(), errorCode: z.string(), errorType: z.string(), errorLink: z.string() }).optional(),
  msg: z.string().optional(),
  code: z.string().optional(),
});
type Update = z.output<typeof UpdateSchema>;

export const LineSchema = z.object({ uuid: z.string(), update: UpdateSchema });

/** When an update ended; undefined for one that waited. */
export const endOf = ({ processedAt, failedAt, abortedAt }: Update): string | undefined => processedAt ?? failedAt ?? abortedAt;

/** `documentsIn` counts the documents of an update's file; undefined where there is none. */
export const taskOfV2 = (
  update: Update,
  uid: number,
  indexUid: string,
  notes: Set<string>,
  documentsIn: (file: string) => number | undefined,
): Task | undefined => {
  const file = fileOf(update);
  const documents = file === undefined ? undefined : documentsIn(file);
  const body = bodyOf(update, documents ?? 0, notes);
  if (body === undefined) return undefined;
  const finished = update.status === 'processed' || update.status === 'failed' || update.status === 'aborted';
  return {
    uid,
    indexUid,
    status: !finished ? 'enqueued' : update.status === 'processed' ? 'succeeded' : 'failed',
    ...body,
    error: errorOf(update),
    enqueuedAt: update.enqueuedAt,
    startedAt: finished ? (update.startedProcessingAt ?? update.enqueuedAt) : null,
    finishedAt: finished ? (endOf(update) ?? update.enqueuedAt) : null,
    ...(finished || file === undefined || documents === undefined ? {} : { file }),
  };
};

const fileOf = ({ content, meta }: Update): string | undefined => {
  if (typeof content === 'string') return content;
  const addition = isLoose(meta) ? meta['DocumentAddition'] : undefined;
  return isLoose(addition) && typeof addition['content_uuid'] === 'string' ? addition['content_uuid'] : undefined;
};

const bodyOf = (update: Update, documents: number, notes: Set<string>): Pick<Task, 'type' | 'details'> | undefined => {
  const { meta, success } = update;
  const many = (name: string, field: string): number | null => {
    const part = isLoose(success) ? success[name] : undefined;
    return isLoose(part) && typeof part[field] === 'number' ? part[field] : null;
  };
  const addition = (from: Loose) =>
    documentImport(
      {
        primaryKey: typeof from['primary_key'] === 'string' ? from['primary_key'] : null,
        method: typeof from['method'] === 'string' ? from['method'] : 'ReplaceDocuments',
        documents: documents === 0 ? (many('DocumentsAddition', 'nb_documents') ?? 0) : documents,
        create: true,
      },
      many('DocumentsAddition', 'nb_documents'),
    );
  if (meta === 'ClearDocuments') return documentClear(many('DocumentDeletion', 'deleted'));
  if (!isLoose(meta)) return undefined;
  const deleted = many('DocumentDeletion', 'deleted');
  switch (meta['type'] ?? Object.keys(meta)[0]) {
    case 'DocumentsAddition':
      return addition(meta);
    case 'DocumentAddition':
      return isLoose(meta['DocumentAddition']) ? addition(meta['DocumentAddition']) : undefined;
    case 'ClearDocuments':
      return documentClear(deleted);
    case 'DeleteDocuments':
      return documentDeletion(textsOf(meta['ids'] ?? meta['DeleteDocuments']), deleted);
    case 'Settings': {
      const { type, Settings, ...plain } = meta;
      return settingsUpdate(settingsOfV2(type === undefined && isLoose(Settings) ? Settings : plain, notes), false);
    }
    default:
      return undefined;
  }
};

const textsOf = (value: Json | undefined): string[] => (Array.isArray(value) ? value.map(String) : []);

const errorOf = ({ status, error, msg, code }: Update): Json => {
  if (status === 'aborted') return taskError('Task was aborted in a previous version of meilisearch.', 'internal', 'internal');
  if (status !== 'failed') return null;
  if (error !== undefined) return taskError(error.message, error.errorCode, error.errorType, error.errorLink);
  return taskError(msg ?? '', snakeCase(code ?? 'Internal'), 'invalid_request');
};
