import { z } from 'zod';
import { loadDigest, sumDigests } from '../../backup/digest.ts';
import type { ClassDigest, Json, Segment } from '../../backup/types.ts';
import { isLifeboatError, LifeboatError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import type { Cursor, Part, Planned, Services, Stage, StageContext, TaskContext } from '../contract.ts';
import { isRedis, type JuicefsAddress, pathOf, tablePrefixOf } from './address.ts';
import { isAlone, makeRoom } from './alone.ts';
import { dumpByTwo } from './dump-by-two.ts';
import { dumpHead } from './dump-head.ts';
import { type JoinLanes, openLane } from './engines/lanes.ts';
import { openSql } from './engines/open.ts';
import type { Reader } from './engines/reader.ts';
import { sqlReader } from './engines/sql-reader.ts';
import { copyOf, makeCopy } from './engines/sqlite-copy.ts';
import { keepHeapSmall } from './heap.ts';
import { planStretches, StretchSchema, type StretchTask, volume, wholeStretches } from './read/plan.ts';
import { writeStretch } from './read/segments.ts';
import { takeStretches } from './read/share.ts';
import { ofVolume, scopeOf } from './read/stream.ts';
import { firstLiving, withReader } from './reading.ts';

/** Stretches a lane: enough that all end at about the same time. */
const STRETCHES_A_LANE = 4;
/** How long a lock that is only tried may wait for somebody's transaction. */
const TRY_LOCK_SECONDS = 2;
/** More connections than this help no server. */
const LANES_MAX = 16;

/** `volume` reads all of it in one session, whose instant nobody else can share; a `lane` shares it with others that live as long. */
const DumpTaskSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('volume') }),
  z.strictObject({ kind: z.literal('head') }),
  z.strictObject({ kind: z.literal('stretch'), stretch: StretchSchema }),
  z.strictObject({
    kind: z.literal('lane'),
    lane: z.int().nonnegative(),
    lanes: z.int().positive(),
    size: z.int().positive(),
    tables: z.array(z.string()),
  }),
]);
type DumpTask = z.output<typeof DumpTaskSchema>;

export interface DumpOptions {
  readonly joinLanes?: (() => Promise<JoinLanes>) | undefined;
  /** Names of one task. */
  readonly taskEntries: number;
}

export const dumpStage = (address: JuicefsAddress, services: Services, options: DumpOptions): Stage => ({
  name: 'dump',
  // Lanes have an instant that is lost with their connections: none is tried again or continued. All else reads what another session
  // can join or make anew.
  mode: address.engine === 'mysql' ? 'together' : 'independent',
  async *plan(context): AsyncGenerator<Planned> {
    for await (const task of planTasks(address, services, options, context)) yield { task };
  },
  async run(json, context, resume) {
    keepHeapSmall();
    const task = DumpTaskSchema.parse(json);
    if (isRedis(address)) return redisPart(address, services, context, resume);
    switch (task.kind) {
      case 'volume': {
        const together = isAlone(context) && address.engine === 'sqlite3' ? await dumpByTwo(address, services, context) : undefined;
        if (together !== undefined) return together;
        return withReader(address, services, undefined, async (reader) => {
          const at = services.now().toISOString();
          const part = await volumePart(address, reader, context, undefined, false);
          return { ...part, facts: { ...part.facts, at, until: services.now().toISOString() } };
        });
      }
      case 'lane':
        return lanePart(address, services, options, task, context);
      case 'head':
        return withShared(address, services, context, (reader) => headPart(address, reader, context));
      case 'stretch':
        return withShared(address, services, context, (reader) =>
          stretchesPart({ reader, context, stretches: [task.stretch], resume, first: 0, mayStop: true }),
        );
    }
  },
});

async function* planTasks(
  address: JuicefsAddress,
  services: Services,
  options: DumpOptions,
  context: StageContext,
): AsyncGenerator<DumpTask> {
  const alone = isAlone(context);
  const { engine } = address;
  if (engine === 'redis' || engine === 'rdb' || (alone && engine !== 'postgres')) {
    yield { kind: 'volume' };
    return;
  }
  if (engine === 'mysql') {
    yield* planLanes(address, services, options, context);
    return;
  }
  if (engine === 'sqlite3') {
    const used = await withReader(address, services, undefined, async (reader) => (await reader.head()).counters.usedInodes);
    if (used <= BigInt(2 * options.taskEntries)) {
      yield { kind: 'volume' };
      return;
    }
    await makeCopy(services.temporary, await newestToken(context), {
      path: pathOf(address, services.temporary),
      prefix: tablePrefixOf(address),
    });
  }
  yield { kind: 'head' };
  const stretches = await withShared(address, services, context, async (reader) => {
    const scope = await scopeOf(address, reader);
    if (alone) return wholeStretches(scope);
    const { counters } = await reader.head();
    return Array.fromAsync(planStretches(reader, scope, counters.usedInodes, options.taskEntries));
  });
  for (const stretch of stretches) yield { kind: 'stretch', stretch };
}

/** As many lanes as may live at once; one connection, without a barrier, where there is little to share, or where none may be held. */
async function* planLanes(
  address: JuicefsAddress,
  services: Services,
  { joinLanes, taskEntries }: DumpOptions,
  context: StageContext,
): AsyncGenerator<DumpTask> {
  const session = await openSql(address, services, false);
  try {
    const tables = await session.tables();
    const reader = await sqlReader(session, tables);
    const { counters } = await reader.head();
    const used = Number(counters.usedInodes);
    const lanes = Math.min(context.concurrency ?? 1, LANES_MAX, Math.floor(used / taskEntries) + 1);
    if (joinLanes === undefined || lanes < 2 || !ofVolume(address) || !(await mayLock(session))) {
      yield { kind: 'volume' };
      return;
    }
    const prefix = tablePrefixOf(address);
    const size = Math.max(1, Math.min(taskEntries, Math.ceil(used / (lanes * STRETCHES_A_LANE))));
    for (let lane = 0; lane < lanes; lane++)
      yield { kind: 'lane', lane, lanes, size, tables: [...tables.keys()].map((name) => prefix + name).sort() };
  } finally {
    await session.close();
  }
}

/** Locks the smallest table for an instant, as the barrier would lock all. */
const mayLock = async (session: Awaited<ReturnType<typeof openSql>>): Promise<boolean> => {
  try {
    await session.run(`SET SESSION lock_wait_timeout = ${TRY_LOCK_SECONDS}`, 'trying a lock');
    await session.run(`LOCK TABLES ${session.dialect.table('setting')} READ`, 'trying a lock');
    await session.run('UNLOCK TABLES', 'trying a lock');
    return true;
  } catch (error) {
    if (isLifeboatError(error, 'PermissionDenied') || isLifeboatError(error, 'LoginFailed')) return false;
    // It may, and somebody else holds the table just now.
    if (session.isTransient(error)) return true;
    throw error;
  }
};

/** A session at the instant of the backup: one of those that are held, newest first, or the copy. */
const withShared = async <Result>(
  address: JuicefsAddress,
  services: Services,
  context: StageContext,
  use: (reader: Reader) => Promise<Result>,
): Promise<Result> => {
  if (address.engine === 'sqlite3')
    return withReader({ ...address, path: copyOf(services.temporary, await newestToken(context)) }, services, undefined, use);
  return firstLiving(await context.instants(), ({ token }) => withReader(address, services, token, use));
};

const newestToken = async (context: StageContext): Promise<Json> => {
  const [newest] = await context.instants();
  if (newest === undefined)
    throw new LifeboatError('InstantLost', 'no instant of this backup lives any more', { hint: 'Start a new backup.' });
  return newest.token;
};

const headPart = async (address: JuicefsAddress, reader: Reader, context: TaskContext): Promise<Part> => {
  const { segment, digests, facts } = await dumpHead(address, await reader.head(), context);
  return { segments: [segment], digests, facts: { head: facts } };
};

interface Stretches {
  readonly reader: Reader;
  readonly context: TaskContext;
  readonly stretches: readonly StretchTask[];
  readonly resume: Cursor | undefined;
  readonly first: number;
  readonly mayStop: boolean;
}

const CursorSchema = z.strictObject({ rest: z.array(StretchSchema).min(1), segments: z.int().nonnegative() });

const stretchesPart = async ({ reader, context, stretches, resume, first, mayStop }: Stretches): Promise<Part> => {
  const from = resume === undefined ? { rest: stretches, segments: first } : CursorSchema.parse(parseJson(resume));
  const factory = await loadDigest();
  const segments: Segment[] = [];
  const digests: ClassDigest[] = [];
  let entries = 0;
  for (const [index, stretch] of from.rest.entries()) {
    const part = await writeStretch(stretch, { reader, factory, context, first: from.segments + segments.length, mayStop });
    segments.push(...part.segments);
    digests.push(part.digest);
    entries += part.entries;
    const rest = [...(part.rest === undefined ? [] : [part.rest]), ...from.rest.slice(index + 1)];
    const spent = mayStop && context.budget.remaining() <= 0;
    if (rest.length > 0 && (part.rest !== undefined || spent)) {
      const cursor = JSON.stringify({ rest, segments: from.segments + segments.length }) as Cursor;
      return { segments, digests, facts: { entries }, next: { cursor } };
    }
  }
  return { segments, digests, facts: { entries } };
};

interface VolumePart extends Part {
  readonly facts: { readonly [name: string]: Json };
}

/** Head and trees from one session. */
const volumePart = async (
  address: JuicefsAddress,
  reader: Reader,
  context: TaskContext,
  resume: Cursor | undefined,
  mayStop: boolean,
): Promise<VolumePart> => {
  const begins = resume === undefined ? await reader.head() : undefined;
  // Names that were asked for ahead would be too many for so little room.
  if (begins !== undefined && reader.local === true) makeRoom(context, begins.counters.usedInodes);
  const head = begins === undefined ? undefined : await dumpHead(address, begins, context);
  const stretches = wholeStretches(await scopeOf(address, reader));
  const part = await stretchesPart({ reader, context, stretches, resume, first: 1, mayStop });
  return {
    ...part,
    segments: [...(head === undefined ? [] : [head.segment]), ...part.segments],
    digests: [...(head?.digests ?? []), ...part.digests],
    facts: { ...(head === undefined ? {} : { head: head.facts }), ...(part.facts as { readonly [name: string]: Json }) },
  };
};

/** Only a walk over live keys, which have no instant that could be lost, goes on in another invocation. */
const redisPart = async (address: JuicefsAddress, services: Services, context: TaskContext, resume: Cursor | undefined): Promise<Part> => {
  const { openRedisInstant } = await import('./engines/redis-instant.ts');
  const as: JuicefsAddress = resume === undefined ? address : { ...address, read: 'walk' };
  const instant = await openRedisInstant(as, services, context.budget.signal);
  try {
    const part = await volumePart(address, instant.reader, context, resume, instant.live);
    return { ...part, facts: { ...part.facts, read: { ...(await instant.end()) } } };
  } finally {
    await instant.reader.close();
  }
};

const BarrierSchema = z.object({ barrier: z.string() });

/** One lane from beginning to end: to the barrier, and through the stretches that no other lane has. */
const lanePart = async (
  address: JuicefsAddress,
  services: Services,
  { joinLanes }: DumpOptions,
  { lane, lanes, size, tables }: Extract<DumpTask, { kind: 'lane' }>,
  context: TaskContext,
): Promise<Part> => {
  const { claims } = context;
  if (claims === undefined || joinLanes === undefined) throw new Error('a lane cannot share work without claims and a barrier');
  const { barrier } = BarrierSchema.parse(await newestToken(context));
  const { signal } = context.budget;
  const { session, at } = await openLane(address, services, await joinLanes(), { lane, lanes, tables, barrier, claims, signal });
  try {
    const reader = await sqlReader(session, await session.tables());
    const head = lane === 0 ? await dumpHead(address, await reader.head(), { ...context, task: 0 }) : undefined;
    const scope = volume(address.skipTrash);
    const share = await takeStretches({ reader, factory: await loadDigest(), context, claims, scope, size });
    return {
      segments: [...(head === undefined ? [] : [head.segment]), ...share.segments],
      digests: sumDigests([...(head?.digests ?? []), ...share.digests]),
      facts: { ...(head === undefined ? {} : { head: head.facts }), entries: share.entries, ...(at === undefined ? {} : { at }) },
    };
  } catch (error) {
    throw asLost(error, lane);
  } finally {
    await session.close();
  }
};

/** Past the barrier nothing can be tried again: a new connection would see another instant. */
const asLost = (error: unknown, lane: number): unknown => {
  if (!isLifeboatError(error) || !error.retryable) return error;
  return new LifeboatError('InstantLost', `lane ${lane} was lost past the barrier: ${error.message}`, {
    hint: 'No other connection can read at its instant. Start a new backup.',
    cause: error,
  });
};
