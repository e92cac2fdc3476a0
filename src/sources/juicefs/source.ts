import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { loadDigest } from '../../backup/digest.ts';
import { ordinal } from '../../backup/ordinal.ts';
import type { ClassDigest, Json, PointInTime, Segment } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { Budget, Cursor, Facts, Held, Part, Services, Source, Stage, StageContext, TaskContext } from '../contract.ts';
import { type JuicefsAddress, placeOf } from './address.ts';
import { concludeDump, factsOfHead } from './conclude.ts';
import { openPostgresAt, openReader } from './engines/open.ts';
import type { Reader } from './engines/reader.ts';
import { type ChangeWatch, watchChanges } from './engines/redis-changes.ts';
import { parseSetting } from './format/setting.ts';
import type { Head } from './model.ts';
import { planStretches, StretchSchema, type StretchTask, wholeStretches } from './read/plan.ts';
import { headDigests } from './read/rows.ts';
import { writeStretch } from './read/segments.ts';
import { headText, scopeOf } from './read/stream.ts';

/** About as much text as one inode makes, for the size of a volume. */
const BYTES_PER_INODE = 400;
/** With more time than this left, nothing ends the work before it is done: a dump into a file. In milliseconds. */
const ENDLESS_MS = 60 * 60 * 1000;
/** Keeps a connection from being forgotten while it holds the instant, in milliseconds. */
const PING_MS = 60_000;

/** `volume` reads all of it in one session, whose instant nobody else can share. */
const DumpTaskSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('volume') }),
  z.strictObject({ kind: z.literal('head') }),
  z.strictObject({ kind: z.literal('stretch'), stretch: StretchSchema }),
]);

const CursorSchema = z.strictObject({ rest: z.array(StretchSchema).min(1), segments: z.int().nonnegative() });

export const juicefsSource = (address: JuicefsAddress, services: Services): Source => ({
  inspect: () => withReader(address, services, undefined, (reader) => inspectVolume(address, services, reader)),
  ...(address.engine === 'postgres'
    ? { hold: (held: Held, budget: Budget) => holdSnapshot(address, services, held, budget) }
    : { open: async () => ownInstant(address, services) }),
  dump: dumpStage(address, services),
  seal: { name: 'seal', mode: 'independent', async *plan() {}, run: async () => ({ segments: [], digests: [] }) },
  conclude: (context) => concludeDump(context),
  // What the dump read it read in sessions of its own, which have ended.
  close: async () => {},
});

export const withReader = async <Result>(
  address: JuicefsAddress,
  services: Services,
  token: Json | undefined,
  use: (reader: Reader) => Promise<Result>,
): Promise<Result> => {
  const reader = await openReader(address, services, token);
  try {
    return await use(reader);
  } finally {
    await reader.close();
  }
};

const inspectVolume = async (address: JuicefsAddress, services: Services, reader: Reader): Promise<Facts> => {
  const head = await reader.head();
  const setting = parseSetting(head.setting);
  return {
    product: 'JuiceFS',
    version: `metadata ${setting.value['MetaVersion'] ?? 0}`,
    place: placeOf(address, services.temporary),
    content: setting.uuid,
    bytes: Number(head.counters.usedInodes > 0n ? head.counters.usedInodes : 0n) * BYTES_PER_INODE,
    problems: setting.uuid === '' ? [{ code: 'SourceProblem', message: 'the volume has no UUID', hint: 'Its setting is damaged.' }] : [],
  };
};

/** The instant is that of the session which reads; until then it is only near. */
const ownInstant = (address: JuicefsAddress, services: Services): PointInTime => ({
  consistency: address.engine === 'redis' ? 'fuzzy' : 'snapshot',
  at: services.now().toISOString(),
  token: {},
});

/** Keeps an exported snapshot alive until it is released; the next holder joins it and exports it again. */
const holdSnapshot = async (address: JuicefsAddress, services: Services, held: Held, budget: Budget): Promise<void> => {
  const session = await openPostgresAt(address, services);
  const over = (): boolean => budget.signal.aborted || budget.remaining() <= 0;
  try {
    const [newest] = await held.instants();
    await session.join(z.object({ snapshot: z.string() }).safeParse(newest?.token).data?.snapshot);
    const [row] = await session.rows(
      `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`,
      'fixing the instant',
    );
    await held.publish({
      consistency: 'snapshot',
      at: newest?.at ?? String(row?.[0]),
      token: { snapshot: await session.exportSnapshot() },
    });
    while (!over()) {
      await sleep(Math.min(PING_MS, Math.max(1, budget.remaining())), undefined, { signal: budget.signal }).catch((error: unknown) => {
        if (!budget.signal.aborted) throw error;
      });
      if (!over()) await session.rows('SELECT 1', 'holding the instant');
    }
  } finally {
    await session.close();
  }
};

const dumpStage = (address: JuicefsAddress, services: Services): Stage => {
  const shared = address.engine === 'postgres';
  return {
    name: 'dump',
    // An instant that lives in one session is lost with it: such a task is neither tried again nor continued.
    mode: shared || address.engine === 'redis' ? 'independent' : 'together',
    async *plan(context) {
      if (!shared) {
        yield { task: { kind: 'volume' } };
        return;
      }
      yield { task: { kind: 'head' } };
      const stretches = await withReader(address, services, await newestToken(context), async (reader) => {
        const scope = await scopeOf(address, reader);
        if (context.budget.remaining() > ENDLESS_MS) return wholeStretches(scope);
        const { counters } = await reader.head();
        return Array.fromAsync(planStretches(reader, scope, counters.usedInodes));
      });
      for (const stretch of stretches) yield { task: { kind: 'stretch', stretch } };
    },
    async run(json, context, resume) {
      const task = DumpTaskSchema.parse(json);
      const token = shared ? await newestToken(context) : undefined;
      return withReader(address, services, token, async (reader) => {
        if (task.kind === 'head') return headPart(address, reader, context);
        if (task.kind === 'stretch') return stretchesPart({ reader, context, stretches: [task.stretch], resume, first: 0, mayStop: true });
        const watch = address.engine === 'redis' ? await watchChanges(address, services) : undefined;
        return volumePart(address, services, reader, context, resume, watch);
      });
    },
  };
};

const newestToken = async (context: StageContext): Promise<Json> => {
  const [newest] = await context.instants();
  if (newest === undefined)
    throw new LifeboatError('InstantLost', 'no instant of this backup lives any more', { hint: 'Start a new backup.' });
  return newest.token;
};

async function* once(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text, 'utf8');
}

interface HeadDone {
  readonly segment: Segment;
  readonly digests: readonly ClassDigest[];
  readonly facts: Json;
}

const dumpHead = async (address: JuicefsAddress, head: Head, context: TaskContext): Promise<HeadDone> => {
  const segment = await context.write.write(ordinal(context.task, 0), once(headText(address, head)), {
    encoding: 'zstd',
    extension: 'json.zst',
    context: { kind: 'head' },
  });
  return { segment, digests: headDigests(await loadDigest(), head), facts: factsOfHead(address, head) };
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

const stretchesPart = async ({ reader, context, stretches, resume, first, mayStop }: Stretches): Promise<Part> => {
  const from = resume === undefined ? { rest: stretches, segments: first } : CursorSchema.parse(JSON.parse(resume));
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

/** Head and trees from one session. Redis may go on in another one: its keys have no instant that could be lost. */
const volumePart = async (
  address: JuicefsAddress,
  services: Services,
  reader: Reader,
  context: TaskContext,
  resume: Cursor | undefined,
  watch: ChangeWatch | undefined,
): Promise<Part> => {
  const at = services.now().toISOString();
  const head = resume === undefined ? await dumpHead(address, await reader.head(), context) : undefined;
  const part = await stretchesPart({
    reader,
    context,
    stretches: wholeStretches(await scopeOf(address, reader)),
    resume,
    first: 1,
    mayStop: address.engine === 'redis',
  });
  const window = watch === undefined ? {} : { changes: await watch.end() };
  return {
    ...part,
    segments: [...(head === undefined ? [] : [head.segment]), ...part.segments],
    digests: [...(head?.digests ?? []), ...part.digests],
    facts: {
      ...(head === undefined ? {} : { head: head.facts }),
      ...(part.facts as Record<string, Json>),
      at,
      until: services.now().toISOString(),
      ...window,
    },
  };
};
