import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { checkTable, commitId } from '../../src/sources/lakefs/sst/ident.ts';
import { type CommitRecord, decodeCommit, decodeEntry, decodeRef } from '../../src/sources/lakefs/sst/records.ts';
import { openTable, splitValue } from '../../src/sources/lakefs/sst/table.ts';
import { type Entity, encodeCommit, encodeEntry, encodeRange, encodeRef, rowValue, writeMetaRange, writeTable } from './lakefs-table.ts';

/** A repository of the fake lakeFS: what the real one keeps in its database, over metadata files that are real. */

export interface Entry {
  readonly address: string;
  readonly size: number;
  readonly etag: string;
  readonly mtime: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly contentType: string;
  readonly full?: boolean;
}

export interface Branch {
  commit: string;
  hidden: boolean;
  /** Null: removed. */
  readonly staged: Map<string, Entry | null>;
}

export interface Repository {
  readonly id: string;
  readonly namespace: string;
  readonly defaultBranch: string;
  readonly readOnly: boolean;
  readonly folder: string;
  readonly uid: string;
  readonly branches: Map<string, Branch>;
  readonly tags: Map<string, string>;
  readonly commits: Map<string, CommitRecord>;
  metadata: Record<string, string>;
  protection: { pattern: string }[];
  rules: unknown;
  readonly pulls: { id: string; [field: string]: unknown }[];
}

/** lakeFS's answer in place of a success. */
export class Refused extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Rows of one range of objects: small, so that a repository has several. */
const RANGE_ROWS = 10;

const OWN = { entity: 'x', schema_name: 'x' };

export const openRepository = (root: string, id: string, namespace: string, defaultBranch: string, readOnly = false): Repository => ({
  id,
  namespace,
  defaultBranch,
  readOnly,
  folder: join(root, namespace.replace(/^local:\/\//, '')),
  uid: randomBytes(10).toString('hex'),
  branches: new Map(),
  tags: new Map(),
  commits: new Map(),
  metadata: {},
  protection: [],
  rules: undefined,
  pulls: [],
});

export const writeFile = ({ folder }: Repository, key: string, bytes: Buffer): void => {
  const path = join(folder, key);
  mkdirSync(dirname(path), { recursive: true });
  if (!existsSync(path)) writeFileSync(path, bytes);
};

export const readFile = ({ folder }: Repository, key: string): Buffer => {
  try {
    return readFileSync(join(folder, key));
  } catch {
    throw new Refused(410, 'No data');
  }
};

/** Stores bytes as an upload does. */
/** How many objects a repository was given, by its uid. */
const uploads = new Map<string, number>();

/** Addresses are in no order, as lakeFS's own are, but in the same one each time. */
export const upload = (repository: Repository, bytes: Buffer, contentType = 'text/plain'): Entry => {
  const n = uploads.get(repository.uid) ?? 0;
  uploads.set(repository.uid, n + 1);
  const address = `data/${repository.uid}/${createHash('sha256').update(String(n)).digest('hex').slice(0, 20)}`;
  writeFile(repository, address, bytes);
  return {
    address,
    size: bytes.length,
    etag: createHash('md5').update(bytes).digest('hex'),
    mtime: 1_795_225_248,
    metadata: {},
    contentType,
    full: false,
  };
};

export const branchOf = (repository: Repository, name: string): Branch => {
  const branch = repository.branches.get(name);
  if (branch === undefined) throw new Refused(404, 'branch not found');
  return branch;
};

export const commitOf = (repository: Repository, ref: string): CommitRecord => {
  const id = repository.branches.get(ref)?.commit ?? repository.tags.get(ref) ?? ref;
  const commit = repository.commits.get(id);
  if (commit === undefined) throw new Refused(404, 'commit not found');
  return commit;
};

/** What a commit lists, by path. */
export const listing = (repository: Repository, metaRange: string): Map<string, Entry> => {
  const entries = new Map<string, Entry>();
  for (const data of recordsOf(repository, metaRange)) {
    const { address, size, etag, mtime, metadata, contentType, addressType } = decodeEntry(data.data);
    entries.set(data.key, { address, size, etag, mtime, metadata, contentType, full: addressType === 'full' });
  }
  return entries;
};

const recordsOf = (repository: Repository, metaRange: string): Entity[] => {
  if (metaRange === '') return [];
  const ranges: string[] = [];
  checkTable(openTable(readFile(repository, `_lakefs/${metaRange}`)), metaRange, (_key, value) =>
    ranges.push(splitValue(value).identity.toString('latin1')),
  );
  return ranges.flatMap((range) => {
    const rows: Entity[] = [];
    checkTable(openTable(readFile(repository, `_lakefs/${range}`)), range, (key, value) =>
      rows.push({ key: key.toString('utf8'), data: Buffer.from(splitValue(value).data) }),
    );
    return rows;
  });
};

const writeListing = (repository: Repository, entries: ReadonlyMap<string, Entry>): string => {
  const rows = [...entries]
    .map(([path, entry]) => ({ key: Buffer.from(path), value: rowValue(encodeEntry(entry)) }))
    .sort((a, b) => Buffer.compare(a.key, b.key));
  const named = [];
  for (let from = 0; from < rows.length; from += RANGE_ROWS) {
    const part = rows.slice(from, from + RANGE_ROWS);
    const { id, file } = writeTable(part, { ...OWN, type: 'ranges' });
    writeFile(repository, `_lakefs/${id}`, file);
    const [first, last] = [part[0], part.at(-1)];
    if (first === undefined || last === undefined) continue;
    named.push({
      key: last.key,
      value: rowValue(
        encodeRange({ minKey: first.key, maxKey: last.key, estimatedSize: file.length, count: part.length }),
        Buffer.from(id),
      ),
    });
  }
  const { id, file } = writeTable(named, { ...OWN, type: 'metaranges' });
  writeFile(repository, `_lakefs/${id}`, file);
  return id;
};

/** Commits a branch with what is staged on it, or with nothing. */
export const commit = (
  repository: Repository,
  name: string,
  message: string,
  metadata: Record<string, string> = {},
  merged?: string,
): CommitRecord => {
  const branch = repository.branches.get(name) ?? { commit: '', hidden: false, staged: new Map() };
  const parent = repository.commits.get(branch.commit);
  const entries = parent === undefined ? new Map<string, Entry>() : listing(repository, parent.metaRangeId);
  if (merged !== undefined)
    for (const [path, entry] of listing(repository, commitOf(repository, merged).metaRangeId)) entries.set(path, entry);
  for (const [path, entry] of branch.staged) entry === null ? entries.delete(path) : entries.set(path, entry);
  const fields = {
    committer: 'admin',
    message,
    creationDate: 1_795_225_200 + repository.commits.size,
    nanos: 0,
    metaRangeId: entries.size === 0 ? '' : writeListing(repository, entries),
    metadata,
    parents: [...(parent === undefined ? [] : [parent.id]), ...(merged === undefined ? [] : [commitOf(repository, merged).id])],
  };
  const made: CommitRecord = { ...fields, id: commitId(fields), version: 1, generation: (parent?.generation ?? 0) + 1 };
  repository.commits.set(made.id, made);
  branch.staged.clear();
  branch.commit = made.id;
  repository.branches.set(name, branch);
  return made;
};

export interface Ids {
  readonly branches_meta_range_id: string;
  readonly commits_meta_range_id: string;
  readonly tags_meta_range_id: string;
}

/** Writes the refs to metadata files; `without` are commits that a torn dump lacks. */
export const dump = (repository: Repository, without: ReadonlySet<string> = new Set()): Ids => {
  const write = (entities: readonly Entity[]): string => {
    const { id, files } = writeMetaRange(entities, OWN);
    for (const file of files) writeFile(repository, `_lakefs/${file.id}`, file.file);
    return id;
  };
  const refs = (map: Iterable<readonly [string, string]>): Entity[] =>
    [...map].map(([id, commit]) => ({ key: id, data: encodeRef({ id, commitId: commit }) }));
  return {
    branches_meta_range_id: write(refs([...repository.branches].map(([name, { commit: id }]): [string, string] => [name, id]))),
    commits_meta_range_id: write(
      [...repository.commits.values()].filter(({ id }) => !without.has(id)).map((each) => ({ key: each.id, data: encodeCommit(each) })),
    ),
    tags_meta_range_id: write(refs(repository.tags)),
  };
};

/** Loads a dump into a bare repository, as lakeFS does: without asking whether it is whole. */
export const restore = (repository: Repository, ids: Ids): void => {
  for (const { data } of recordsOf(repository, ids.commits_meta_range_id)) {
    const found = decodeCommit(data);
    repository.commits.set(found.id, found);
  }
  for (const { data } of recordsOf(repository, ids.branches_meta_range_id)) {
    const { id, commitId: head } = decodeRef(data);
    repository.branches.set(id, { commit: head, hidden: false, staged: new Map() });
  }
  for (const { data } of recordsOf(repository, ids.tags_meta_range_id)) {
    const { id, commitId: head } = decodeRef(data);
    if (repository.tags.has(id)) throw new Refused(409, 'tag already exists: not unique');
    repository.tags.set(id, head);
  }
};
