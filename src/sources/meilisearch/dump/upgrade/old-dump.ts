import { z } from 'zod';
import type { Json } from '../../../../backup/types.ts';
import { type KeyLine, KeyLineSchema, parse } from '../contents.ts';
import { invalid } from '../invalid.ts';
import { documentSlice, readDocument, skipSpace } from '../json-slices.ts';
import { readLines, readWhole } from '../lines.ts';
import type { TarFile } from '../tar-read.ts';
import { type Loose, LooseSchema } from './task.ts';

/** Small files, and the updates of all indexes, in bytes: an upgrade holds them. */
const SMALL_MAX = 64 * 1024 * 1024;
const UPDATES_MAX = 512 * 1024 * 1024;
/** A file of documents that waited, where it is one JSON array. */
const ARRAY_MAX = 256 * 1024 * 1024;

export type OldVersion = 1 | 2 | 3 | 4 | 5;

/** Version of a dump by its metadata; fails with ArtifactInvalid on one that nobody knows. */
export const versionOf = (metadata: Loose): OldVersion | 6 => {
  const found = /^V([1-6])$/.exec(String(metadata['dumpVersion']));
  if (found === null)
    throw invalid(`metadata.json names the version ${JSON.stringify(metadata['dumpVersion'] ?? null)}`, 'Known are V1 to V6.');
  return z.union([z.literal(1), z.literal(2), z.literal(3), z.literal(4), z.literal(5), z.literal(6)]).parse(Number(found[1]));
};

/** What is small in a dump of version 1 to 5, read in one pass. */
export interface OldDump {
  readonly metadata: Loose;
  readonly version: OldVersion | 6;
  /** settings.json (version 1) or meta.json, by folder. */
  readonly meta: ReadonlyMap<string, Loose>;
  /** Lines of index_uuids/data.jsonl. */
  readonly uuids: readonly Loose[];
  /** Of updates/data.jsonl; of version 1 by index uid. */
  readonly updates: ReadonlyMap<string, readonly unknown[]>;
  readonly keys: readonly Loose[];
  readonly instanceUid: string | undefined;
  /** Documents in files of waiting updates, by the name of the update's content. */
  readonly waiting: ReadonlyMap<string, number>;
  /** Documents by folder. */
  readonly documents: ReadonlyMap<string, number>;
}

export const META = /^(?:indexes\/(?:index-)?([^/]+)\/meta|([^/]+)\/settings)\.json$/;
/** Version 1 has its indexes at the top. */
export const OLD_DOCUMENTS = /^(?:indexes\/(?:index-)?([^/]+)|([^/]+))\/documents\.jsonl$/;
export const WAITING = /^updates\/(?:update_files\/update_|updates_files\/)([^/]+)$/;
const UPDATES = /^(?:updates\/data|([^/]+)\/updates)\.jsonl$/;

export const readOldDump = async (files: AsyncIterable<TarFile>): Promise<OldDump> => {
  let metadata: Loose | undefined;
  let instanceUid: string | undefined;
  const meta = new Map<string, Loose>();
  const updates = new Map<string, unknown[]>();
  const waiting = new Map<string, number>();
  const documents = new Map<string, number>();
  const uuids: Loose[] = [];
  const keys: Loose[] = [];
  let held = 0;
  for await (const file of files) {
    const small = async (): Promise<Loose> => LooseSchema.parse(parse(file.path, await readWhole(file.body, file.path, SMALL_MAX)));
    const lines = async (into: unknown[]): Promise<void> => {
      for await (const line of readLines(file.body, file.path)) {
        held += line.length;
        if (held > UPDATES_MAX) throw invalid(`the updates of the dump have more than ${UPDATES_MAX} bytes`);
        into.push(parse(`a line of ${file.path}`, line));
      }
    };
    const folder = META.exec(file.path);
    const inUpdates = UPDATES.exec(file.path);
    const inDocuments = OLD_DOCUMENTS.exec(file.path);
    const inWaiting = WAITING.exec(file.path)?.[1];
    if (file.path === 'metadata.json') metadata = await small();
    else if (file.path === 'index_uuids/data.jsonl') await lines(uuids);
    else if (file.path === 'keys') await lines(keys);
    else if (file.path === 'instance-uid') instanceUid = (await readWhole(file.body, file.path, SMALL_MAX)).toString('utf8').trim();
    else if (folder !== null) meta.set(folder[1] ?? folder[2] ?? '', await small());
    else if (inUpdates !== null) {
      const into: unknown[] = [];
      await lines(into);
      updates.set(inUpdates[1] ?? '', into);
    } else if (inDocuments !== null) documents.set(inDocuments[1] ?? inDocuments[2] ?? '', await countLines(file));
    else if (inWaiting !== undefined) waiting.set(inWaiting, (await waitingLines(file)).documents);
  }
  if (metadata === undefined) throw invalid('metadata.json is missing', 'This is no dump of Meilisearch.');
  return { metadata, version: versionOf(metadata), meta, uuids, updates, keys, instanceUid, waiting, documents };
};

/** Each line is a document, or the dump is damaged. */
const countLines = async (file: TarFile): Promise<number> => {
  let documents = 0;
  for await (const line of readLines(file.body, file.path)) {
    documents++;
    if (!isObject(parse(`line ${documents} of ${file.path}`, line))) throw invalid(`line ${documents} of ${file.path} is no document`);
  }
  return documents;
};

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Documents of a waiting update as lines: version 2 has them as one JSON array, the others have lines already. */
export const waitingLines = async (file: TarFile): Promise<{ readonly documents: number; readonly lines: Buffer }> => {
  const bytes = await readWhole(file.body, file.path, ARRAY_MAX);
  const slice = documentSlice();
  const lines: Buffer[] = [];
  let at = skipSpace(bytes, 0);
  const isArray = bytes[at] === 0x5b;
  if (isArray) at++;
  for (;;) {
    at = skipSpace(bytes, at);
    if (at >= bytes.length || bytes[at] === 0x5d) break;
    if (isArray && bytes[at] === 0x2c) {
      at++;
      continue;
    }
    at = readDocument(bytes, at, slice);
    lines.push(onOneLine(bytes.subarray(slice.start, slice.end)), NEWLINE);
  }
  return { documents: lines.length / 2, lines: Buffer.concat(lines) };
};

const NEWLINE = Buffer.from('\n');

/** Line ends are white space between members there, never a part of a text. */
const onOneLine = (document: Buffer): Buffer => {
  if (!document.includes(0x0a) && !document.includes(0x0d)) return document;
  return Buffer.from(document.map((byte) => (byte === 0x0a || byte === 0x0d ? 0x20 : byte)));
};

/** Actions that later versions do not know. */
const GONE = new Set(['dumps.get']);

/** Keys of version 5 keep their uid, and so their value; those of version 4 had no such uid. */
export const upgradeKey = (key: Loose, newUid: () => string, notes: Set<string>): KeyLine => {
  const actions = z.array(z.string()).catch([]).parse(key['actions']);
  if (key['uid'] === undefined) notes.add('keys of version 4 get new uids, and with them new values: applications need the new ones');
  if (actions.some((action) => GONE.has(action))) notes.add('the action dumps.get is gone since 0.28: it was left out of keys');
  const converted: Record<string, Json> = {
    uid: key['uid'] ?? newUid(),
    name: key['name'] ?? null,
    description: key['description'] ?? null,
    actions: actions.filter((action) => !GONE.has(action)),
    indexes: key['indexes'] ?? ['*'],
    expires_at: key['expires_at'] ?? null,
    created_at: key['created_at'] ?? '',
    updated_at: key['updated_at'] ?? '',
  };
  const parsed = KeyLineSchema.safeParse(converted);
  if (parsed.success) return parsed.data;
  throw invalid(`a key of the dump is not one: ${parsed.error.issues[0]?.path.join('.') ?? ''}`);
};
