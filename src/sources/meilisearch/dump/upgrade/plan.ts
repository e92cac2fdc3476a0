import { z } from 'zod';
import { invalid } from '../invalid.ts';
import type { OldDump } from './old-dump.ts';
import { isLoose, settingsOfV1, settingsOfV2 } from './settings.ts';
import { type Loose, LooseSchema, type Task } from './task.ts';
import { taskOfV1 } from './tasks-v1.ts';
import { endOf, LineSchema, taskOfV2 } from './tasks-v2.ts';
import { createdAt, indexOfTask, succeededAt, TaskSchema, taskOfV4 } from './tasks-v4.ts';

/** An index as version 6 has it, and the folder of the old dump that holds its documents. */
export interface UpgradedIndex {
  readonly uid: string;
  readonly folder: string;
  readonly primaryKey: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly settings: Loose;
}

export interface UpgradePlan {
  readonly indexes: readonly UpgradedIndex[];
  readonly tasks: readonly Task[];
}

/** What an old dump becomes; what cannot survive is said in `notes`. */
export const planUpgrade = (dump: OldDump, dumpDate: string, notes: Set<string>): UpgradePlan => {
  switch (dump.version) {
    case 1:
      return planV1(dump, notes);
    case 2:
    case 3:
      return planV2(dump, dumpDate, notes);
    default:
      return planV4(dump, dumpDate, notes);
  }
};

const IndexOfV1 = z.object({
  uid: z.string(),
  createdAt: z.string(),
  updatedAt: z.string(),
  primaryKey: z.string().nullable().default(null),
});

const planV1 = ({ metadata, meta, updates }: OldDump, notes: Set<string>): UpgradePlan => {
  const listed = z.array(IndexOfV1).parse(metadata['indexes']);
  const tasks: Task[] = [];
  for (const { uid } of listed)
    for (const update of updates.get(uid) ?? []) {
      const task = taskOfV1(update, tasks.length, uid, notes);
      if (task !== undefined) tasks.push(task);
    }
  return {
    indexes: listed.map((index) => ({ ...index, folder: index.uid, settings: settingsOfV1(metaOf(meta, index.uid), notes) })),
    tasks,
  };
};

const metaOf = (meta: ReadonlyMap<string, Loose>, folder: string): Loose => {
  const found = meta.get(folder);
  if (found === undefined) throw invalid(`the settings of index ${folder} are missing`);
  return found;
};

const UuidOfV2 = z.object({ uuid: z.string(), uid: z.string() });

const planV2 = ({ meta, uuids, updates, waiting }: OldDump, dumpDate: string, notes: Set<string>): UpgradePlan => {
  const listed = uuids.map((line) => UuidOfV2.parse(line));
  const uids = new Map(listed.map(({ uuid, uid }) => [uuid, uid]));
  const times = new Map<string, string[]>();
  const tasks: Task[] = [];
  for (const [number, line] of (updates.get('') ?? []).entries()) {
    const { uuid, update } = LineSchema.parse(line);
    const end = endOf(update);
    if (end !== undefined) times.set(uuid, [...(times.get(uuid) ?? []), end]);
    const known = uids.get(uuid);
    if (known === undefined && end === undefined) {
      notes.add('an update that waited is of an index that is not there: it was left out');
      continue;
    }
    const task = taskOfV2(update, number, known ?? 'unknown', notes, (file) => waiting.get(file));
    if (task !== undefined) tasks.push(task);
  }
  if (listed.some(({ uuid }) => !times.has(uuid))) notes.add('indexes without an update that ended have the date of the dump as theirs');
  return {
    tasks,
    indexes: listed.map(({ uuid, uid }) => {
      const { settings, primaryKey } = indexMeta(metaOf(meta, uuid));
      const ended = (times.get(uuid) ?? []).sort();
      return {
        uid,
        folder: uuid,
        primaryKey,
        settings: settingsOfV2(settings, notes),
        createdAt: ended[0] ?? dumpDate,
        updatedAt: ended.at(-1) ?? dumpDate,
      };
    }),
  };
};

const UuidOfV4 = z.object({ uid: z.string(), index_meta: z.object({ uuid: z.string(), creation_task_id: z.int() }) });

const planV4 = ({ meta, uuids, updates, waiting }: OldDump, dumpDate: string, notes: Set<string>): UpgradePlan => {
  // Newest first.
  const old = (updates.get('') ?? []).map((line) => TaskSchema.parse(line));
  const tasks = old.flatMap((task) => taskOfV4(task, { dumpDate, documentsIn: (file) => waiting.get(file) }) ?? []).reverse();
  if (tasks.length < old.length) notes.add(`${old.length - tasks.length} tasks are of kinds that are gone: they were left out`);
  return {
    tasks,
    indexes: uuids.map((line) => {
      const { uid, index_meta: index } = UuidOfV4.parse(line);
      const { settings, primaryKey } = indexMeta(metaOf(meta, index.uuid));
      const creation = old.find(({ id }) => id === index.creation_task_id);
      const updated = old.find((task) => indexOfTask(task) === uid && succeededAt(task) !== undefined);
      return {
        uid,
        folder: index.uuid,
        primaryKey,
        settings,
        createdAt: (creation && createdAt(creation)) ?? dumpDate,
        updatedAt: (updated && succeededAt(updated)) ?? dumpDate,
      };
    }),
  };
};

const indexMeta = (meta: Loose): { readonly settings: Loose; readonly primaryKey: string | null } => ({
  settings: isLoose(meta['settings']) ? LooseSchema.parse(meta['settings']) : {},
  primaryKey: typeof meta['primary_key'] === 'string' ? meta['primary_key'] : null,
});
