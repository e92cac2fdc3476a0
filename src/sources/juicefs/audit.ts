import { z } from 'zod';
import { type DigestFactory, loadDigest } from '../../backup/digest.ts';
import { restoreInput } from '../../backup/restore-input.ts';
import type { Check, Manifest } from '../../backup/types.ts';
import { isLifeboatError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import type { AuditFacts, Cursor, Objects, Part, Services, Stage, TaskContext } from '../contract.ts';
import type { JuicefsAddress } from './address.ts';
import type { Slice } from './blocks/keys.ts';
import { lookForBlocks, sampleSlices } from './blocks/sample.ts';
import { DetailsSchema } from './conclude.ts';
import { closing, openReader, openRedisAt, openSql } from './engines/open.ts';
import type { Reader } from './engines/reader.ts';
import type { RedisSession } from './engines/redis.ts';
import { auditKeys, KeysSchema } from './engines/redis-audit.ts';
import { auditSlices, SlicesSchema as RedisSlicesSchema, redisSlices } from './engines/redis-slices.ts';
import { NO_SLICES, SliceSumsSchema, sliceChecks } from './engines/slice-sums.ts';
import type { SqlSession } from './engines/sql.ts';
import { sqlChecks, sqlRecount } from './engines/sql-checks.ts';
import { FIRST_SLICE, type SlicePlace, sqlSlices, sumSlices } from './engines/sql-slices.ts';
import { parseSetting } from './format/setting.ts';
import { openStretch } from './read/document.ts';
import { planStretches, StretchSchema, type StretchTask, volume } from './read/plan.ts';
import { entryDigest, headDigests } from './read/rows.ts';
import { digestSink, stretchOf } from './read/segments.ts';
import { withReader } from './reading.ts';
import { readHeadToLoad } from './restore-input.ts';
import { juicefsBinary } from './vendor/binary.ts';
import { readByJuicefs } from './vendor/dump.ts';
import { countByFsck } from './vendor/fsck.ts';
import { nextIds } from './write/next-ids.ts';

const AuditTaskSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('checks') }),
  z.strictObject({ kind: z.literal('keys') }),
  z.strictObject({ kind: z.literal('slices') }),
  z.strictObject({ kind: z.literal('blocks') }),
  z.strictObject({ kind: z.literal('juicefs') }),
  z.strictObject({ kind: z.literal('fsck') }),
  z.strictObject({ kind: z.literal('stretch'), stretch: StretchSchema }),
]);
type AuditTask = z.output<typeof AuditTaskSchema>;

/** Reads every name that is really there, by ranges of its own, and all that follows from the names. */
export const auditStage = (address: JuicefsAddress, services: Services): Stage => ({
  name: 'audit',
  mode: 'independent',
  async *plan(context) {
    const tasks: AuditTask[] = [{ kind: 'checks' }, { kind: 'slices' }];
    if (address.engine === 'redis') tasks.push({ kind: 'keys' });
    if (DetailsSchema.parse(restoreInput(context).manifest.details).head.blocks !== undefined) tasks.push({ kind: 'blocks' });
    if (juicefsBinary() !== undefined) tasks.push({ kind: 'juicefs' });
    // Another engine would have to be copied whole.
    if (juicefsBinary() !== undefined && address.engine === 'sqlite3') tasks.push({ kind: 'fsck' });
    yield* tasks.map((task) => ({ task }));
    const reader = await openReader(address, services);
    try {
      const { counters } = await reader.head();
      for await (const stretch of planStretches(reader, volume(false), counters.usedInodes)) yield { task: { kind: 'stretch', stretch } };
    } finally {
      await reader.close();
    }
  },
  async run(json, context, resume): Promise<Part> {
    const task = AuditTaskSchema.parse(json);
    if (task.kind === 'keys') return keysPart(address, services, context, resume);
    if (task.kind === 'slices')
      return address.engine === 'redis'
        ? redisSlicesPart(address, services, context, resume)
        : slicesPart(address, services, context, resume);
    if (task.kind === 'blocks') return blocksPart(address, services, context);
    if (task.kind === 'fsck') return part(await countByFsck(address, services, context));
    return withReader(address, services, undefined, async (reader) => {
      const factory = await loadDigest();
      if (task.kind === 'juicefs') return part(await readByJuicefs(address, services, reader, context));
      if (task.kind === 'checks') return checksPart(address, services, reader, factory, context);
      return stretchPart(resume === undefined ? task.stretch : StretchSchema.parse(parseJson(resume)), reader, factory, context);
    });
  },
});

const part = (facts: AuditFacts): Part => ({ segments: [], digests: [], facts: z.json().parse(facts) });

const stretchPart = async (task: StretchTask, reader: Reader, factory: DigestFactory, context: TaskContext): Promise<Part> => {
  const digest = entryDigest(factory);
  const stretch = stretchOf(task);
  const read = openStretch(reader, stretch, digestSink(digest, stretch.root, task.tree));
  let told = 0;
  for (let piece = await read.next(); piece !== undefined; piece = await read.next()) {
    context.progress({ rows: read.entries - told, bytes: piece.length, what: task.tree });
    told = read.entries;
    if (read.ended || context.budget.remaining() > 0) continue;
    const rest: StretchTask = {
      ...task,
      from: read.position(),
      follows: false,
      entries: task.entries === null ? null : task.entries - read.entries,
    };
    return { segments: [], digests: [digest.end()], next: { cursor: JSON.stringify(rest) as Cursor } };
  }
  return { segments: [], digests: [digest.end()] };
};

const checksPart = async (
  address: JuicefsAddress,
  services: Services,
  reader: Reader,
  factory: DigestFactory,
  context: TaskContext,
): Promise<Part> => {
  const head = await reader.head();
  const { manifest } = restoreInput(context);
  const checks = [
    // Those of Redis follow from its keys, in a task of their own.
    ...(address.engine === 'redis' ? [] : await sqlChecksOf(address, services)),
    ...assertionChecks(manifest, parseSetting(head.setting)),
    ...idChecks(head.counters, await readHeadToLoad(context)),
  ];
  return { ...part({ checks }), digests: headDigests(factory, head) };
};

const sqlChecksOf = (address: JuicefsAddress, services: Services): Promise<readonly Check[]> =>
  withSql(address, services, async (session) => [...(await sqlChecks(session)), ...(await sqlRecount(session))]);

const withSql = <Result>(address: JuicefsAddress, services: Services, use: (session: SqlSession) => Promise<Result>): Promise<Result> =>
  closing(openSql(address, services, false), use);

const withRedis = <Result>(address: JuicefsAddress, services: Services, use: (session: RedisSession) => Promise<Result>): Promise<Result> =>
  closing(openRedisAt(address, services), use);

const goOn = (state: object): Part => ({ segments: [], digests: [], next: { cursor: JSON.stringify(state) as Cursor } });

/** All that follows from names and inodes on Redis. */
const keysPart = (address: JuicefsAddress, services: Services, context: TaskContext, resume: Cursor | undefined): Promise<Part> =>
  withRedis(address, services, async (session) => {
    const from = resume === undefined ? undefined : KeysSchema.parse(parseJson(resume));
    const { checks, notMeasured, next } = await auditKeys(session, from, context.budget, (rows) =>
      context.progress({ rows, bytes: 0, what: 'keys' }),
    );
    return next === undefined ? part({ checks, notMeasured }) : goOn(next);
  });

const redisSlicesPart = (address: JuicefsAddress, services: Services, context: TaskContext, resume: Cursor | undefined): Promise<Part> =>
  withRedis(address, services, async (session) => {
    const from = resume === undefined ? undefined : RedisSlicesSchema.parse(parseJson(resume));
    const waiting = new Set((await readHeadToLoad(context)).delFiles.map(({ inode }) => inode));
    const { checks, notMeasured, next } = await auditSlices(session, from, waiting, context.budget, (rows) =>
      context.progress({ rows, bytes: 0, what: 'slices' }),
    );
    return next === undefined ? part({ checks, notMeasured }) : goOn(next);
  });

const SlicesSchema = z.strictObject({
  sums: SliceSumsSchema,
  place: z.strictObject({ table: z.enum(['chunk', 'chunk_ref']), after: z.string() }),
});

/** Counts what chunks name, and what is stored of it, in one pass over either. */
const slicesPart = (address: JuicefsAddress, services: Services, context: TaskContext, resume: Cursor | undefined): Promise<Part> =>
  withSql(address, services, async (session) => {
    const from = resume === undefined ? { sums: NO_SLICES, place: FIRST_SLICE } : SlicesSchema.parse(parseJson(resume));
    let { sums } = from;
    for (let place: SlicePlace | undefined = from.place; place !== undefined; ) {
      context.budget.signal.throwIfAborted();
      const page = await sumSlices(session, sums, place);
      sums = page.sums;
      place = page.next;
      context.progress({ rows: page.rows, bytes: 0, what: 'slices' });
      if (place !== undefined && context.budget.remaining() <= 0) return goOn({ sums, place });
    }
    return part({ checks: sliceChecks(sums) });
  });

const BLOCKS = 'blocks present';

/** Whether the bucket still has what the metadata points at. What it cannot look at is not measured, and never passed. */
const blocksPart = async (address: JuicefsAddress, services: Services, context: TaskContext): Promise<Part> => {
  const { manifest, restore } = restoreInput(context);
  const { blocks } = DetailsSchema.parse(manifest.details).head;
  const unknown = (why: string): Part => part({ checks: [], notMeasured: [{ what: BLOCKS, why }] });
  if (blocks === undefined) return part({ checks: [] });
  if (blocks.storage.kind === 'unreachable') return unknown(blocks.storage.why);
  const objects = await services.openObjects?.(blocks.storage.url, blocks.storage.options);
  if (objects === undefined) return unknown('objects cannot be reached from here');
  const choose = (pages: AsyncIterable<readonly Slice[]>) => sampleSlices(pages, blocks.sample, restore, context.budget);
  const slices =
    address.engine === 'redis'
      ? await withRedis(address, services, (session) => choose(redisSlices(session)))
      : await withSql(address, services, (session) => choose(sqlSlices(session)));
  if (slices === undefined) return unknown('the time was over before all slices were seen');
  try {
    // A folder of another machine, or another bucket, would show as if all were gone.
    if (slices.length > 0 && (await isEmpty(objects))) return unknown(`there is no block at all in ${objects.url}`);
    const { layout, plain } = blocks;
    return part({ checks: [await lookForBlocks({ objects, slices, layout, plain, seed: restore, budget: context.budget })] });
  } catch (error) {
    // The store has tried again by itself: a bucket that cannot be reached takes nothing from what else was audited.
    if (!isLifeboatError(error) || error.code === 'Interrupted') throw error;
    return unknown(`${error.code}: ${error.message}`);
  }
};

const isEmpty = async (objects: Objects): Promise<boolean> => {
  for await (const _ of objects.list('chunks/')) return false;
  return true;
};

const assertionChecks = (manifest: Manifest, setting: { readonly name: string; readonly uuid: string }): Check[] => {
  const { head } = DetailsSchema.parse(manifest.details);
  const pairs = [
    ['juicefs.name', head.name, setting.name],
    ['juicefs.uuid', head.uuid, setting.uuid],
  ] as const;
  return pairs.map(([name, expected, actual]) => ({ name, expected, actual, ok: expected === actual }));
};

/** An id that is handed out again would overwrite objects of another file. */
const idChecks = (now: { readonly nextInodes: bigint; readonly nextChunk: bigint }, head: Parameters<typeof nextIds>[0]): Check[] => {
  const least = nextIds(head, { inode: 0n, slice: 0n, trash: 0n });
  const atLeast = (name: string, expected: bigint, actual: bigint): Check => ({
    name,
    expected: `at least ${expected}`,
    actual: String(actual),
    ok: actual >= expected,
  });
  return [atLeast('next inode', least.nextInode, now.nextInodes), atLeast('next slice', least.nextChunk, now.nextChunk)];
};
