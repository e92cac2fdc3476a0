import { loadDigest } from '../../backup/digest.ts';
import { ordinal } from '../../backup/ordinal.ts';
import { parseJson } from '../../json.ts';
import type { Part, TaskContext } from '../contract.ts';
import { copyMissing, type Item } from './copies.ts';
import { addCommit, addRef, openClass } from './digests.ts';
import { writeInventory } from './inventory.ts';
import { eachCommit, eachRef, encodeLakectl, encodeScript, rangesOf } from './refs.ts';
import type { Ids } from './rest/api.ts';
import { poolOf, type Session } from './session.ts';
import type { DumpFacts } from './tasks.ts';

/** Heads that are kept by name, to be asked of the restored server. */
const HEADS_MAX = 100;

/** The files of the dump itself, its two manifests, and what the refs are. */
export const dumpRefsTask = async (session: Session, ids: Ids, context: TaskContext): Promise<Part> => {
  const { metadata, repository } = session;
  const factory = await loadDigest();
  const classes = { branches: openClass(factory, 'branches'), tags: openClass(factory, 'tags'), commits: openClass(factory, 'commits') };
  const heads = new Map<string, string>();
  const branches = await eachRef(metadata, ids.branches_meta_range_id, (branch) => {
    addRef(classes.branches, branch);
    if (heads.size < HEADS_MAX || branch.id === repository.default_branch) heads.set(branch.id, branch.commitId);
  });
  const tags = await eachRef(metadata, ids.tags_meta_range_id, (tag) => addRef(classes.tags, tag));
  const commits = await eachCommit(metadata, ids.commits_meta_range_id, (commit) => addCommit(classes.commits, commit));
  const items = await filesOf(session, ids);
  const { copied, bytes } = await copyMissing(poolOf(context), session.objects, items, context.budget);
  const about = {
    name: repository.id,
    namespace: repository.storage_namespace,
    defaultBranch: repository.default_branch,
    storageId: repository.storage_id ?? '',
  };
  const segments = [
    await writeText(context, 0, encodeLakectl(ids), 'artifact', 'refs'),
    await writeText(context, 1, encodeScript({ ids, repository: about }), 'inventory', 'script'),
    await writeInventory(context, 2, items),
  ];
  const listedBytes = items.reduce((sum, item) => sum + item.bytes, 0);
  const facts: DumpFacts = {
    ids,
    repository: { ...about, readOnly: repository.read_only ?? false },
    counts: { branches, tags, commits },
    heads: Object.fromEntries(heads),
    copied: { objects: copied, bytes, listed: items.length, listedBytes, external: 0, externalCopied: 0 },
  };
  return {
    segments,
    digests: [classes.branches.end(), classes.tags.end(), classes.commits.end()],
    facts: parseJson(JSON.stringify(facts)),
  };
};

const filesOf = async ({ metadata }: Session, ids: Ids): Promise<Item[]> => {
  const items = new Map<string, number>();
  for (const metaRange of Object.values(ids)) {
    items.set(metadata.keyOf(metaRange), (await metadata.read(metaRange)).length);
    for (const { id } of await rangesOf(metadata, metaRange)) items.set(metadata.keyOf(id), (await metadata.read(id)).length);
  }
  return [...items].map(([key, bytes]) => ({ key, bytes })).sort((a, b) => (a.key < b.key ? -1 : 1));
};

const writeText = (context: TaskContext, n: number, text: string, role: 'artifact' | 'inventory', kind: string) =>
  context.write.write(
    ordinal(context.task, n),
    (async function* () {
      yield Buffer.from(text);
    })(),
    { encoding: 'identity', extension: role === 'artifact' ? 'refs.json' : `${kind}.json`, role, context: { kind } },
  );
