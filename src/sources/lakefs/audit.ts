import { z } from 'zod';
import { loadDigest } from '../../backup/digest.ts';
import type { ClassDigest } from '../../backup/types.ts';
import type { Cursor, Part, Services, Stage, TaskContext } from '../contract.ts';
import type { LakefsAddress } from './address.ts';
import { auditBytes, type Sample } from './audit-bytes.ts';
import { auditChecks } from './audit-checks.ts';
import { type Item, lookUp } from './copies.ts';
import { addCommit, addData, addObject, addRef, openClass } from './digests.ts';
import { poolKey } from './namespace.ts';
import { planDump } from './plan.ts';
import { eachCommit, eachRef } from './refs.ts';
import { dumpRefs, IdsSchema, Sha } from './rest/api.ts';
import { restoreInput } from './restore-input.ts';
import { openSession, type Session } from './session.ts';
import { checkTable } from './sst/ident.ts';
import { decodeEntry } from './sst/records.ts';
import { openTable, splitValue } from './sst/table.ts';

const AuditTaskSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('refs'), ids: IdsSchema }),
  z.strictObject({ kind: z.literal('checks') }),
  z.strictObject({ kind: z.literal('objects'), ranges: z.array(z.tuple([Sha, Sha])) }),
]);

/** Rows of one round: their objects are looked up together. */
const ROUND_ROWS = 20_000;

/**
 * Lets the restored server dump its own refs, and reads what they reach from its storage: so nothing is compared with what lakeFS was
 * given, but with what it has.
 */
export const auditStage = (address: LakefsAddress, services: Services): Stage => ({
  name: 'audit',
  mode: 'independent',
  async *plan(context) {
    const { client, metadata, repository } = await openSession(address, services, context.budget.signal);
    const { ids } = await dumpRefs(client, repository.id);
    yield { task: { kind: 'refs', ids: { ...ids } } };
    yield { task: { kind: 'checks' } };
    for await (const task of planDump(metadata, ids, repository.default_branch, false))
      if (task.kind === 'objects') yield { task: { kind: 'objects', ranges: task.ranges } };
  },
  async run(json, context, resume): Promise<Part> {
    const task = AuditTaskSchema.parse(json);
    const session = await openSession(address, services, context.budget.signal);
    switch (task.kind) {
      case 'refs':
        return auditRefs(session, task.ids);
      case 'checks':
        return { segments: [], digests: [], facts: z.json().parse({ checks: await auditChecks(session, restoreInput(context), context) }) };
      case 'objects':
        return auditObjects(session, task.ranges, context, resume);
    }
  },
});

const auditRefs = async ({ metadata }: Session, ids: z.output<typeof IdsSchema>): Promise<Part> => {
  const factory = await loadDigest();
  const [branches, tags, commits] = [openClass(factory, 'branches'), openClass(factory, 'tags'), openClass(factory, 'commits')];
  await eachRef(metadata, ids.branches_meta_range_id, (branch) => addRef(branches, branch));
  await eachRef(metadata, ids.tags_meta_range_id, (tag) => addRef(tags, tag));
  await eachCommit(metadata, ids.commits_meta_range_id, (commit) => addCommit(commits, commit));
  return { segments: [], digests: [branches.end(), tags.end(), commits.end()] };
};

const auditObjects = async (
  session: Session,
  ranges: readonly (readonly [string, string])[],
  context: TaskContext,
  resume: Cursor | undefined,
): Promise<Part> => {
  const digests: ClassDigest[] = [];
  const samples: Sample[] = [];
  let at = resume === undefined ? 0 : z.coerce.number().int().parse(resume);
  const begun = at;
  while (at < ranges.length && (at === begun || context.budget.remaining() > 0))
    at = await auditRound(session, ranges, at, digests, samples, context);
  const checks = await auditBytes(session, samples, context);
  return {
    segments: [],
    digests,
    facts: z.json().parse({ checks }),
    ...(at < ranges.length ? { next: { cursor: String(at) as Cursor } } : {}),
  };
};

const auditRound = async (
  { metadata, objects }: Session,
  ranges: readonly (readonly [string, string])[],
  from: number,
  digests: ClassDigest[],
  samples: Sample[],
  context: TaskContext,
): Promise<number> => {
  const factory = await loadDigest();
  const [listed, data] = [openClass(factory, 'objects'), openClass(factory, 'data')];
  const wanted: (Item & { readonly address: string })[] = [];
  let next = from;
  for (; next < ranges.length && wanted.length < ROUND_ROWS; next++) {
    const [range = '', commit = ''] = ranges[next] ?? [];
    const candidates: Sample[] = [];
    checkTable(openTable(await metadata.read(range)), range, (path, value) => {
      const entry = decodeEntry(splitValue(value).data);
      addObject(listed, path, entry);
      if (entry.addressType === 'full') return;
      const key = poolKey(entry.address);
      wanted.push({ key, bytes: entry.size, address: entry.address });
      candidates.push({ commit, path: path.toString('utf8'), key, size: entry.size, checksum: entry.etag });
    });
    const sample = chosen(range, candidates);
    if (sample !== undefined) samples.push(sample);
  }
  wanted.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  for await (const { item, found } of lookUp(objects, wanted)) if (found?.bytes === item.bytes) addData(data, item.address, item.bytes);
  context.progress({ rows: wanted.length, bytes: 0, what: 'objects' });
  digests.push(listed.end(), data.end());
  return next;
};

/** Objects larger than this are read only where a range has no smaller one. */
const SAMPLE_BYTES = 16 * 1024 * 1024;

/** Any object of the range, the same for the same range. */
const chosen = (range: string, candidates: readonly Sample[]): Sample | undefined => {
  const small = candidates.filter(({ size }) => size <= SAMPLE_BYTES);
  if (small.length === 0) return [...candidates].sort((a, b) => a.size - b.size)[0];
  return small[Number.parseInt(range.slice(0, 8), 16) % small.length];
};
