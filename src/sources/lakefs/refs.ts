import { z } from 'zod';
import { LifeboatError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import { type IdSet, openIdSet } from './id-set.ts';
import type { Metadata } from './namespace.ts';
import { type Ids, IdsSchema } from './rest/api.ts';
import { checkTable, commitId } from './sst/ident.ts';
import { type CommitRecord, decodeCommit, decodeRange, decodeRef, type RangeRecord, type RefRecord } from './sst/records.ts';
import { openTable, splitValue } from './sst/table.ts';

/** Of a metarange: which ranges it is made of, in order. Its id is recomputed. */
export const rangesOf = async (metadata: Metadata, metaRange: string): Promise<readonly ({ readonly id: string } & RangeRecord)[]> => {
  const ranges: ({ readonly id: string } & RangeRecord)[] = [];
  checkTable(openTable(await metadata.read(metaRange)), metaRange, (_key, value) => {
    const { identity, data } = splitValue(value);
    ranges.push({ id: identity.toString('latin1'), ...decodeRange(data) });
  });
  return ranges;
};

/** Records of a metarange, in the order of their keys. Ids and checksums are those that the names say, unless `trusted`. */
export const eachRecord = async (
  metadata: Metadata,
  metaRange: string,
  use: (data: Buffer, key: Buffer) => void,
  trusted = false,
): Promise<number> => {
  let records = 0;
  const row = (key: Buffer, value: Buffer): void => {
    records += 1;
    use(splitValue(value).data, key);
  };
  for (const { id } of await rangesOf(metadata, metaRange)) {
    const table = openTable(await metadata.read(id));
    if (trusted) table.forEach(row);
    else checkTable(table, id, row);
  }
  return records;
};

export const eachRef = (metadata: Metadata, metaRange: string, use: (ref: RefRecord) => void): Promise<number> =>
  eachRecord(metadata, metaRange, (data) => use(decodeRef(data)));

export const eachCommit = (metadata: Metadata, metaRange: string, use: (commit: CommitRecord) => void, trusted = false): Promise<number> =>
  eachRecord(metadata, metaRange, (data) => use(decodeCommit(data)), trusted);

export interface Closure {
  readonly branches: number;
  readonly tags: number;
  readonly commits: number;
  readonly known: IdSet;
}

/**
 * Proves that a dump is whole: every branch, tag and parent names a commit of it, each commit's id is that of its content, the
 * default branch is there. Fails with RefsTorn, naming the first that is missing.
 */
export const proveClosed = async (metadata: Metadata, ids: Ids, defaultBranch: string): Promise<Closure> => {
  const known = openIdSet();
  const commits = await eachCommit(metadata, ids.commits_meta_range_id, (commit) => {
    if (commitId(commit) !== commit.id) throw new LifeboatError('ArtifactInvalid', `the content of commit ${commit.id} has another id`);
    known.add(commit.id);
  });
  const need = (commit: string, who: string): void => {
    if (!known.has(commit)) throw torn(`${who} points to commit ${commit}, which is not in the dump`);
  };
  const parents = (commit: CommitRecord): void => {
    for (const parent of commit.parents) need(parent, `commit ${commit.id}`);
  };
  await eachCommit(metadata, ids.commits_meta_range_id, parents, true);
  let hasDefault = false;
  const branches = await eachRef(metadata, ids.branches_meta_range_id, (branch) => {
    need(branch.commitId, `branch ${branch.id}`);
    hasDefault ||= branch.id === defaultBranch;
  });
  const tags = await eachRef(metadata, ids.tags_meta_range_id, (tag) => need(tag.commitId, `tag ${tag.id}`));
  if (!hasDefault && branches > 0)
    throw new LifeboatError('RefsTorn', `the default branch ${defaultBranch} is not among the ${branches} branches of the dump`, {
      hint: 'A repository that is restored from this looks empty. Make another branch the default one: defaultBranch=<name> with a manifest.',
    });
  return { branches, tags, commits, known };
};

const torn = (what: string): LifeboatError =>
  new LifeboatError('RefsTorn', `the dump of the refs is torn: ${what}`, {
    hint: 'Somebody committed while it was made. Use dump: sync, or back up again.',
  });

const Script = z.object({
  repository: z.object({ name: z.string(), storage_namespace: z.string(), default_branch: z.string(), storage_id: z.string().optional() }),
  refs: IdsSchema,
});
const Wrapped = z.object({ repository: z.unknown(), refs: z.unknown() });

/** What a manifest of `lakectl refs-dump`, of the server, or of `lakefs-refs.py` says. */
export interface RefsManifest {
  readonly ids: Ids;
  readonly repository:
    | { readonly name: string; readonly namespace: string; readonly defaultBranch: string; readonly storageId: string }
    | undefined;
}

/** Reads either format; fails with ArtifactInvalid where an id is empty or none, which lakeFS itself would take in silence. */
export const parseManifest = (text: string): RefsManifest => {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (cause) {
    throw new LifeboatError('ArtifactInvalid', 'the refs manifest is not JSON', { cause });
  }
  if (!Wrapped.safeParse(value).success || (typeof value === 'object' && value !== null && !('refs' in value)))
    return { ids: idsOf(value), repository: undefined };
  const script = Script.safeParse(value);
  if (script.success) {
    const { name, storage_namespace, default_branch, storage_id } = script.data.repository;
    return {
      ids: script.data.refs,
      repository: { name, namespace: storage_namespace, defaultBranch: default_branch, storageId: storage_id ?? '' },
    };
  }
  throw badManifest(script.error);
};

const idsOf = (value: unknown): Ids => {
  const ids = IdsSchema.safeParse(value);
  if (ids.success) return ids.data;
  throw badManifest(ids.error);
};

const badManifest = (cause: z.ZodError): LifeboatError =>
  new LifeboatError(
    'ArtifactInvalid',
    `the refs manifest is not valid: ${cause.issues[0]?.path.join('.') ?? ''} ${cause.issues[0]?.message ?? ''}`,
    {
      hint: 'It holds branches_meta_range_id, commits_meta_range_id and tags_meta_range_id, each 64 hex digits.',
      cause,
    },
  );

/** As the server writes `_lakefs/refs_manifest.json` and `lakectl refs-dump` prints it. */
export const encodeLakectl = (ids: Ids): string =>
  `${JSON.stringify(
    {
      branches_meta_range_id: ids.branches_meta_range_id,
      commits_meta_range_id: ids.commits_meta_range_id,
      tags_meta_range_id: ids.tags_meta_range_id,
    },
    null,
    2,
  )}\n`;

/** As `lakefs-refs.py dump` writes it. */
export const encodeScript = ({
  ids,
  repository,
}: {
  readonly ids: Ids;
  readonly repository: NonNullable<RefsManifest['repository']>;
}): string =>
  JSON.stringify(
    {
      repository: {
        name: repository.name,
        storage_namespace: repository.namespace,
        default_branch: repository.defaultBranch,
        storage_id: repository.storageId,
      },
      refs: {
        commits_meta_range_id: ids.commits_meta_range_id,
        tags_meta_range_id: ids.tags_meta_range_id,
        branches_meta_range_id: ids.branches_meta_range_id,
      },
    },
    null,
    2,
  );
