import { z } from 'zod';
import type { Json } from '../../../../backup/types.ts';

/** JSON of an old dump, of any shape. */
export type Loose = { readonly [name: string]: Json };
export const JsonValue: z.ZodType<Json> = z.json();
export const LooseSchema = z.record(z.string(), JsonValue);

/** A line of tasks/queue.jsonl, version 6. */
export interface Task {
  readonly uid: number;
  readonly indexUid: string | null;
  readonly status: 'enqueued' | 'succeeded' | 'failed';
  readonly type: Json;
  readonly details: Json;
  readonly error: Json;
  readonly enqueuedAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  /** Of an enqueued one: the file of the old dump that holds its documents. */
  readonly file?: string;
}

export const taskLine = ({ file: _, ...task }: Task): Json => ({ batchUid: null, canceledBy: null, ...task });

export const documentImport = (
  how: { readonly primaryKey: string | null; readonly method: string; readonly documents: number; readonly create: boolean },
  indexed: number | null,
): Pick<Task, 'type' | 'details'> => ({
  type: {
    documentImport: {
      primary_key: how.primaryKey,
      method: how.method,
      documents_count: how.documents,
      allow_index_creation: how.create,
    },
  },
  details: { DocumentAdditionOrUpdate: { received_documents: how.documents, indexed_documents: indexed } },
});

export const documentDeletion = (ids: readonly string[], deleted: number | null): Pick<Task, 'type' | 'details'> => ({
  type: { documentDeletion: { documents_ids: ids } },
  details: { DocumentDeletion: { provided_ids: ids.length, deleted_documents: deleted } },
});

export const documentClear = (deleted: number | null): Pick<Task, 'type' | 'details'> => ({
  type: 'documentClear',
  details: { ClearAll: { deleted_documents: deleted } },
});

export const settingsUpdate = (settings: Json, isDeletion: boolean): Pick<Task, 'type' | 'details'> => ({
  type: { settings: { settings, is_deletion: isDeletion, allow_index_creation: true } },
  details: { SettingsUpdate: { settings } },
});

export const taskError = (message: string, code: string, type: string, link?: string): Json => ({
  message,
  code,
  type: type.replace(/_error$/, ''),
  link: link ?? `https://docs.meilisearch.com/errors#${code}`,
});

export const snakeCase = (text: string): string => text.replace(/(?<=[a-z0-9])[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
