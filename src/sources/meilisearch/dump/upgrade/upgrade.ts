import { z } from 'zod';
import type { Json } from '../../../../backup/types.ts';
import { LifeboatError } from '../../../../errors.ts';
import type { OpenFile } from '../check.ts';
import { readGzip } from '../gzip-read.ts';
import { readTar, type TarFile } from '../tar-read.ts';
import { fileHeader, folderHeader, padding, TAR_END, wholeFile } from '../tar-write.ts';
import { OLD_DOCUMENTS, type OldDump, readOldDump, upgradeKey, WAITING, waitingLines } from './old-dump.ts';
import { planUpgrade, type UpgradePlan } from './plan.ts';
import { taskLine } from './task.ts';

export interface Upgraded {
  readonly from: number;
  readonly dbVersion: string;
  readonly indexes: number;
  readonly documents: number;
  readonly tasks: number;
  readonly keys: number;
  /** What is other than it was, or gone; sentences. */
  readonly notes: readonly string[];
}

export interface Upgrade {
  readonly result: Upgraded;
  /** The archive of version 6, to be compressed as one gzip member. */
  readonly tar: AsyncIterable<Uint8Array>;
}

export interface World {
  readonly now: Date;
  /** A random UUID (version 4). */
  readonly newUid: () => string;
}

/**
 * Turns a dump of version 1 to 5 into one of version 6. Documents go over byte by byte; the old file is read twice. Fails with Usage on
 * a dump that is of version 6 already, with ArtifactInvalid on a damaged one.
 */
export const upgradeDump = async (open: OpenFile, world: World): Promise<Upgrade> => {
  const dump = await readOldDump(readTar(readGzip(open())));
  if (dump.version === 6)
    throw new LifeboatError('Usage', 'the dump is of version 6 already', {
      hint: 'Meilisearch 0.30 and later import it as it is. A dump is never turned into an older version.',
    });
  const notes = new Set<string>();
  const dumpDate = dateOf(dump, world.now, notes);
  const plan = planUpgrade(dump, dumpDate, notes);
  const keys = dump.keys.map((key) => upgradeKey(key, world.newUid, notes));
  if (keys.length === 0) notes.add('there are no API keys in it: after the import only the master key works');
  const mtime = Math.floor(Date.parse(dumpDate) / 1000);
  const dbVersion = String(dump.metadata['dbVersion'] ?? '');
  const small = [
    json('metadata.json', { dumpVersion: 'V6', dbVersion, dumpDate }, mtime),
    lines(
      'keys.jsonl',
      keys.map((key): Json => ({ ...key })),
      mtime,
    ),
    lines('tasks/queue.jsonl', plan.tasks.map(taskLine), mtime),
    ...instanceUid(dump, mtime, notes),
    folderHeader('indexes', mtime),
    ...plan.indexes.flatMap(({ uid, primaryKey, createdAt, updatedAt, settings }) => [
      json(`indexes/${uid}/metadata.json`, { uid, primaryKey, createdAt, updatedAt }, mtime),
      json(`indexes/${uid}/settings.json`, settings, mtime),
    ]),
  ];
  const result = {
    from: dump.version,
    dbVersion,
    indexes: plan.indexes.length,
    documents: plan.indexes.reduce((sum, { folder }) => sum + (dump.documents.get(folder) ?? 0), 0),
    tasks: plan.tasks.length,
    keys: keys.length,
    notes: [...notes],
  };
  return { result, tar: archive(open, small, plan, mtime) };
};

async function* archive(open: OpenFile, small: readonly Uint8Array[], plan: UpgradePlan, mtime: number): AsyncGenerator<Uint8Array> {
  yield* small;
  const uids = new Map(plan.indexes.map(({ folder, uid }) => [folder, uid]));
  const waiting = new Map(plan.tasks.flatMap(({ file, uid }) => (file === undefined ? [] : [[file, uid] as const])));
  const seen = new Set<string>();
  for await (const file of readTar(readGzip(open()))) {
    const found = OLD_DOCUMENTS.exec(file.path);
    const uid = uids.get(found?.[1] ?? found?.[2] ?? '');
    const task = waiting.get(WAITING.exec(file.path)?.[1] ?? '');
    if (uid !== undefined) {
      seen.add(uid);
      yield* copied(`indexes/${uid}/documents.jsonl`, file, mtime);
    } else if (task !== undefined) yield wholeFile(`tasks/update_files/${task}.jsonl`, (await waitingLines(file)).lines, mtime);
  }
  // Early versions wrote no file for an index without documents.
  for (const { uid } of plan.indexes) if (!seen.has(uid)) yield wholeFile(`indexes/${uid}/documents.jsonl`, Buffer.alloc(0), mtime);
  yield TAR_END;
}

async function* copied(path: string, { size, body }: TarFile, mtime: number): AsyncGenerator<Uint8Array> {
  yield fileHeader(path, size, mtime);
  yield* body;
  yield padding(size);
}

const dateOf = ({ metadata }: OldDump, now: Date, notes: Set<string>): string => {
  if (typeof metadata['dumpDate'] === 'string') return metadata['dumpDate'];
  notes.add('the dump has no date: that of the upgrade stands in its place');
  return now.toISOString();
};

const instanceUid = ({ instanceUid: uid }: OldDump, mtime: number, notes: Set<string>): Uint8Array[] => {
  if (uid === undefined) return [];
  if (z.uuid().safeParse(uid).success) return [wholeFile('instance_uid.uuid', Buffer.from(uid), mtime)];
  notes.add('the uid of the instance is not one: it was left out');
  return [];
};

const json = (path: string, value: Json, mtime: number): Uint8Array => wholeFile(path, Buffer.from(JSON.stringify(value)), mtime);

const lines = (path: string, values: readonly Json[], mtime: number): Uint8Array =>
  wholeFile(path, Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join('')), mtime);
