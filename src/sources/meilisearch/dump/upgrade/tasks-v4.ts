import { z } from 'zod';
import type { Json } from '../../../../backup/types.ts';
import { isLoose } from './settings.ts';
import { documentClear, documentDeletion, documentImport, JsonValue, type Loose, LooseSchema, settingsUpdate, type Task } from './task.ts';

/** A task of versions 4 and 5: what it does is under one name, what became of it are events. */
export const TaskSchema = z.object({
  id: z.int().nonnegative(),
  index_uid: z.string().nullable().optional(),
  content: z.union([z.string(), LooseSchema]),
  events: z.array(LooseSchema),
});
export type OldTask = z.output<typeof TaskSchema>;

/** `Succeded` is how version 4 spells it. */
const SUCCEEDED = ['Succeeded', 'Succeded'] as const;

const EndSchema = z.object({ timestamp: z.string(), result: JsonValue.optional(), error: LooseSchema.optional() });

interface Outcome {
  readonly status: Task['status'];
  readonly at: string | null;
  readonly result: Json;
  readonly error: Json;
}

export const createdAt = ({ events }: OldTask): string | undefined => {
  const [time] = events.flatMap((event) => event['Created'] ?? []);
  return typeof time === 'string' ? time : undefined;
};

/** The time at which a task succeeded; undefined when it did not. */
export const succeededAt = (task: OldTask): string | undefined => {
  const { status, at } = outcomeOf(task);
  return status === 'succeeded' && at !== null ? at : undefined;
};

const outcomeOf = ({ events }: OldTask): Outcome => {
  const last = events.at(-1) ?? {};
  for (const name of SUCCEEDED) {
    const end = EndSchema.safeParse(last[name]);
    if (end.success) return { status: 'succeeded', at: end.data.timestamp, result: end.data.result ?? null, error: null };
  }
  const failed = EndSchema.safeParse(last['Failed']);
  if (failed.success) return { status: 'failed', at: failed.data.timestamp, result: null, error: failed.data.error ?? null };
  return { status: 'enqueued', at: null, result: null, error: null };
};

export const indexOfTask = ({ index_uid: own, content }: OldTask): string | null => {
  if (typeof own === 'string') return own;
  const body = isLoose(content) ? Object.values(content)[0] : undefined;
  return isLoose(body) && typeof body['index_uid'] === 'string' ? body['index_uid'] : null;
};

export interface Surroundings {
  readonly dumpDate: string;
  readonly documentsIn: (file: string) => number | undefined;
}

/** Undefined for a kind of task that nobody knows any more. */
export const taskOfV4 = (task: OldTask, { dumpDate, documentsIn }: Surroundings): Task | undefined => {
  const outcome = outcomeOf(task);
  const [kind = '', body = null] = isLoose(task.content) ? (Object.entries(task.content)[0] ?? []) : [task.content, {}];
  const converted = bodyOf(kind, isLoose(body) ? body : { deletion: body }, outcome.result, documentsIn);
  if (converted === undefined) return undefined;
  // The dump that is being read was written by a task that had not ended then. It did.
  const isDump = kind === 'Dump' && outcome.status === 'enqueued';
  const started = task.events.flatMap((event) => event['Processing'] ?? []).at(-1);
  const enqueuedAt = createdAt(task) ?? dumpDate;
  const finished = isDump ? dumpDate : outcome.at;
  const { file, ...rest } = converted;
  return {
    uid: task.id,
    indexUid: kind === 'Dump' ? null : indexOfTask(task),
    status: isDump ? 'succeeded' : outcome.status,
    ...rest,
    error: outcome.error,
    enqueuedAt,
    startedAt: finished === null ? null : typeof started === 'string' ? started : enqueuedAt,
    finishedAt: finished,
    ...(outcome.status === 'enqueued' && file !== undefined ? { file } : {}),
  };
};

type Body = Pick<Task, 'type' | 'details'> & { readonly file?: string };

const bodyOf = (kind: string, body: Loose, result: Json, documentsIn: Surroundings['documentsIn']): Body | undefined => {
  const number = (name: string, field: string): number | null => {
    const part = isLoose(result) ? result[name] : undefined;
    return isLoose(part) && typeof part[field] === 'number' ? part[field] : null;
  };
  const primaryKey = typeof body['primary_key'] === 'string' ? body['primary_key'] : null;
  switch (kind) {
    case 'DocumentAddition': {
      const file = typeof body['content_uuid'] === 'string' ? body['content_uuid'] : undefined;
      const inFile = file === undefined ? undefined : documentsIn(file);
      const documents = inFile ?? (typeof body['documents_count'] === 'number' ? body['documents_count'] : 0);
      const how = {
        primaryKey,
        method: String(body['merge_strategy'] ?? 'ReplaceDocuments'),
        documents,
        create: body['allow_index_creation'] !== false,
      };
      const converted = documentImport(how, number('DocumentAddition', 'indexed_documents'));
      return inFile === undefined || file === undefined ? converted : { ...converted, file };
    }
    case 'DocumentDeletion': {
      const ids = isLoose(body['deletion']) ? body['deletion']['Ids'] : body['Ids'];
      return Array.isArray(ids)
        ? documentDeletion(ids.map(String), number('DocumentDeletion', 'deleted_documents'))
        : documentClear(number('ClearAll', 'deleted_documents'));
    }
    case 'SettingsUpdate':
      return settingsUpdate(body['settings'] ?? {}, body['is_deletion'] === true);
    case 'IndexDeletion':
      return { type: 'indexDeletion', details: { ClearAll: { deleted_documents: number('ClearAll', 'deleted_documents') } } };
    case 'IndexCreation':
      return {
        type: { indexCreation: { primary_key: primaryKey } },
        details: { IndexInfo: { primary_key: primaryKey, new_index_uid: null, old_index_uid: null } },
      };
    case 'IndexUpdate':
      return {
        type: { indexUpdate: { primary_key: primaryKey, uid: null } },
        details: { IndexInfo: { primary_key: primaryKey, new_index_uid: null, old_index_uid: null } },
      };
    case 'Dump':
      return {
        type: { dumpCreation: { keys: [], instance_uid: null } },
        details: { Dump: { dump_uid: typeof body['uid'] === 'string' ? body['uid'] : null } },
      };
    default:
      return undefined;
  }
};
