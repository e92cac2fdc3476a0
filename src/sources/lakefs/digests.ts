import type { DigestFactory, RowDigest } from '../../backup/digest.ts';
import type { ClassDigest } from '../../backup/types.ts';
import type { CommitRecord, EntryRecord, RefRecord } from './sst/records.ts';

/** Classes of a lakeFS backup. Rows of `objects` and `data` are counted once for each distinct range that holds them. */
export const CLASSES = {
  branches: ['id', 'commit'],
  tags: ['id', 'commit'],
  commits: ['id', 'committer', 'message', 'creation_date', 'meta_range', 'metadata', 'parents', 'version', 'generation'],
  objects: ['path', 'address', 'kind', 'size', 'checksum', 'mtime', 'content_type', 'metadata'],
  data: ['address', 'size'],
} as const;
export type ClassName = keyof typeof CLASSES;

export const openClass = (factory: DigestFactory, name: ClassName): RowDigest => factory.open(name, CLASSES[name]);

/** A row is a line of JSON; its first element finds it again. */
const add = (digest: RowDigest, key: string, ...fields: readonly unknown[]): void => {
  const first = JSON.stringify(key);
  const row = Buffer.from(`[${first},${JSON.stringify(fields).slice(1)}`);
  digest.add(row, 1, 1 + Buffer.byteLength(first));
};

const inKeyOrder = (metadata: Readonly<Record<string, string>>): readonly (readonly [string, string])[] =>
  Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));

export const addRef = (digest: RowDigest, ref: RefRecord): void => add(digest, ref.id, ref.commitId);

export const addCommit = (digest: RowDigest, commit: CommitRecord): void =>
  add(
    digest,
    commit.id,
    commit.committer,
    commit.message,
    commit.creationDate,
    commit.metaRangeId,
    inKeyOrder(commit.metadata),
    commit.parents,
    commit.version,
    commit.generation,
  );

export const addObject = (digest: RowDigest, path: Buffer, entry: EntryRecord): void =>
  add(
    digest,
    path.toString('utf8'),
    entry.address,
    entry.addressType,
    entry.size,
    entry.etag,
    entry.mtime,
    entry.contentType,
    inKeyOrder(entry.metadata),
  );

export const addData = (digest: RowDigest, address: string, size: number): void => add(digest, address, size);

export type { ClassDigest };
