import { z } from 'zod';
import type { Segment } from '../../backup/types.ts';
import { parseJson } from '../../json.ts';
import type { Cursor, Part, TaskContext } from '../contract.ts';
import { copyMissing, type Item } from './copies.ts';
import { writeInventory, writeLines } from './inventory.ts';
import { poolKey } from './namespace.ts';
import { eachRef } from './refs.ts';
import { branches, type Change, changes, type Ids, type Ref, type Stat, stat } from './rest/api.ts';
import { inNamespace, poolOf, type Session } from './session.ts';
import type { DumpFacts } from './tasks.ts';

/** Branches looked at together, each with some requests. */
const BRANCHES_AT_ONCE = 8;

/** A change that nobody committed. `address` is below the namespace; one with a scheme lies elsewhere. */
export const UncommittedSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('removed'), branch: z.string(), path: z.string() }),
  z.object({
    kind: z.literal('written'),
    branch: z.string(),
    path: z.string(),
    address: z.string(),
    size: z.int().nonnegative(),
    checksum: z.string(),
    mtime: z.int(),
    contentType: z.string().optional(),
    metadata: z.record(z.string(), z.string()).optional(),
  }),
]);
export type Uncommitted = z.output<typeof UncommittedSchema>;

const CursorSchema = z.strictObject({ branch: z.string(), segment: z.int() });

/**
 * Saves staged changes as they are, with their objects. They belong to no dump: of a branch that has moved on since, they are those
 * of now, and that is counted.
 */
export const dumpUncommitted = async (session: Session, ids: Ids, context: TaskContext, resume: Cursor | undefined): Promise<Part> => {
  const from = resume === undefined ? { branch: '', segment: 0 } : CursorSchema.parse(parseJson(resume));
  const heads = new Map<string, string>();
  await eachRef(session.metadata, ids.branches_meta_range_id, ({ id, commitId }) => void heads.set(id, commitId));
  const found: Uncommitted[] = [];
  let [moved, last, stopped] = [0, from.branch, false];
  let round: Ref[] = [];
  const look = async (): Promise<void> => {
    for (const list of await Promise.all(round.map(({ id }) => changesOf(session, id)))) found.push(...list);
    moved += round.filter(({ id, commit_id }) => heads.get(id) !== commit_id).length;
    last = round.at(-1)?.id ?? last;
    round = [];
    stopped = context.budget.remaining() <= 0;
  };
  for await (const branch of branches(session.client, session.repository.id, true)) {
    if (branch.id <= from.branch || !heads.has(branch.id)) continue;
    round.push(branch);
    if (round.length >= BRANCHES_AT_ONCE) await look();
    if (stopped) break;
  }
  if (!stopped) await look().then(() => (stopped = false));
  const facts: DumpFacts = { uncommitted: { changes: found.length, movedBranches: moved } };
  return {
    segments: await keep(session, found, context, from.segment),
    digests: [],
    facts: parseJson(JSON.stringify(facts)),
    ...(stopped ? { next: { cursor: JSON.stringify({ branch: last, segment: from.segment + 1 }) as Cursor } } : {}),
  };
};

/** Changes of a branch that nobody committed, as they are now. */
export const changesOf = async ({ client, repository }: Pick<Session, 'client' | 'repository'>, branch: string): Promise<Uncommitted[]> => {
  const list: Uncommitted[] = [];
  for await (const change of changes(client, repository.id, branch)) {
    const entry = change.type === 'removed' ? undefined : await stat(client, repository.id, branch, change.path);
    const saved = savedOf(branch, change, entry, repository.storage_namespace);
    if (saved !== undefined) list.push(saved);
  }
  return list;
};

/** Undefined when the change is gone again, or was committed meanwhile. */
const savedOf = (branch: string, change: Change, entry: Stat | undefined, namespace: string): Uncommitted | undefined => {
  if (change.type === 'removed') return { kind: 'removed', branch, path: change.path };
  if (entry === undefined) return undefined;
  return {
    kind: 'written',
    branch,
    path: change.path,
    address: inNamespace(namespace, entry.physical_address) ?? entry.physical_address,
    size: entry.size_bytes ?? 0,
    checksum: entry.checksum,
    mtime: entry.mtime,
    ...(entry.content_type === undefined ? {} : { contentType: entry.content_type }),
    ...(entry.metadata === undefined ? {} : { metadata: entry.metadata }),
  };
};

const keep = async (session: Session, found: readonly Uncommitted[], context: TaskContext, n: number): Promise<Segment[]> => {
  if (found.length === 0) return [];
  const own = new Map<string, Item>();
  for (const change of found)
    if (change.kind === 'written' && !change.address.includes('://'))
      own.set(poolKey(change.address), { key: poolKey(change.address), bytes: change.size, etag: change.checksum });
  const items = [...own.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  // Few against what is committed: copied to the end, whatever the budget says.
  await copyMissing(poolOf(context), session.objects, items, { remaining: () => 1, signal: context.budget.signal });
  const lines = found.map((change) => `${JSON.stringify(change)}\n`);
  return [
    await writeLines(context, n * 2, lines, { kind: 'uncommitted', count: found.length }),
    ...(items.length === 0 ? [] : [await writeInventory(context, n * 2 + 1, items, 'uncommitted')]),
  ];
};
