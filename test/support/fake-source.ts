import { z } from 'zod';
import { type DigestFactory, loadDigest, sumDigests } from '../../src/backup/digest.ts';
import { ORDINAL_TASK_MAX, ordinal } from '../../src/backup/ordinal.ts';
import type { ClassDigest, Encoding, PointInTime, Segment } from '../../src/backup/types.ts';
import { LifeboatError } from '../../src/errors.ts';
import type { Budget, Cursor, Held, Part, Source, Stage, StageContext, TaskContext } from '../../src/sources/contract.ts';
import type { FakeServer, Session } from './fake-server.ts';

/** How the fake works, and what it does wrong when a test asks for it. */
export interface Behaviour {
  /** Whether its instant lives in sessions, as PostgreSQL's does, or is a copy that `open` makes. */
  holds: boolean;
  rowsPerTask: number;
  rowsPerSegment: number;
  /** Milliseconds to read or load one segment. */
  segmentMs: number;
  encoding: Encoding;
  /** Planning stops after each task when its budget is spent. */
  plansInParts: boolean;
  problem: { readonly code: string; readonly message: string; readonly hint: string } | undefined;
  /** A load that drops one row of each segment, and says nothing. */
  losesRows: boolean;
  /** A load that adds one row that was never there. */
  addsRows: boolean;
  /** An audit that looks at nothing. */
  auditIsBlind: boolean;
  /** An audit that reports what the manifest says, whatever is there. */
  auditLies: boolean;
  auditFailsWith: LifeboatError | undefined;
  tampersNothing: boolean;
  /** A task that never gets anywhere. */
  standsStill: boolean;
}

export const behaviour = (changes: Partial<Behaviour> = {}): Behaviour => ({
  holds: true,
  rowsPerTask: 10,
  rowsPerSegment: 4,
  segmentMs: 1_000,
  encoding: 'identity',
  plansInParts: false,
  problem: undefined,
  losesRows: false,
  addsRows: false,
  auditIsBlind: false,
  auditLies: false,
  auditFailsWith: undefined,
  tampersNothing: false,
  standsStill: false,
  ...changes,
});

export interface FakePlace {
  readonly server: FakeServer;
  readonly database: string;
  readonly behaviour: Behaviour;
  now(): Date;
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
}

const TokenSchema = z.strictObject({ snapshot: z.string(), origin: z.string() });

const TaskSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('head') }),
  z.strictObject({ kind: z.literal('rows'), class: z.string(), from: z.int(), to: z.int() }),
]);

const PING_MS = 60_000;
const PLAN_MS = 5_000;
/** The server takes up to so many times as long as it should. */
export const SLOWEST = 1.5;

let factory: Promise<DigestFactory> | undefined;
export const digests = (): Promise<DigestFactory> => {
  factory ??= loadDigest();
  return factory;
};

export const placeOf = ({ server, database }: Pick<FakePlace, 'server' | 'database'>): string => `fake://${server.name}/${database}`;

export const fakeSource = (place: FakePlace): Source => {
  const { server, database } = place;
  const source = {
    inspect: () =>
      inSession(server, async (session) => {
        await server.work(session, 10, 'inspect');
        const { content, identity } = server.database(database);
        const bytes = [...content.values()].reduce((sum, rows) => sum + rows.size * 100, 0);
        const { problem } = place.behaviour;
        return {
          product: 'Fake',
          version: '1.0',
          place: placeOf(place),
          content: identity,
          bytes,
          problems: problem === undefined ? [] : [problem],
        };
      }),
    dump: dumpStage(place),
    seal: sealStage(place),
    conclude,
    close: async () => {},
  };
  return place.behaviour.holds
    ? { ...source, hold: (held, budget) => hold(place, held, budget) }
    : { ...source, open: () => openCopy(place) };
};

/** A copy that outlives sessions: a snapshot of a session that nobody closes. */
const openCopy = async (place: FakePlace): Promise<PointInTime> => {
  const session: Session = { id: 'copy', open: true, close() {} };
  return pointInTime(place, place.server.snapshot(session, place.database));
};

const pointInTime = (place: FakePlace, snapshot: string, origin = snapshot): PointInTime => ({
  consistency: 'snapshot',
  at: place.now().toISOString(),
  token: { snapshot, origin },
});

const hold = (place: FakePlace, held: Held, budget: Budget): Promise<void> =>
  inSession(place.server, async (session) => {
    await held.publish(await takeHold(place, session, held));
    while (!budget.signal.aborted && budget.remaining() > 0) {
      await place.sleep(Math.min(PING_MS, budget.remaining()), budget.signal).catch((error: unknown) => {
        if (!budget.signal.aborted) throw error;
      });
      if (!budget.signal.aborted) await place.server.work(session, 0, 'ping');
    }
  });

const takeHold = async (place: FakePlace, session: Session, held: Held): Promise<PointInTime> => {
  const instants = await held.instants();
  if (instants.length === 0) return pointInTime(place, place.server.snapshot(session, place.database));
  const { at, token } = join(place, session, instants);
  const again = place.server.exportAgain(session, token.snapshot);
  if (again === undefined) throw lost();
  return { ...at, token: { ...token, snapshot: again } };
};

const lost = (): LifeboatError =>
  new LifeboatError('InstantLost', 'no snapshot of this backup lives any more', { hint: 'Start a new backup.' });

/** The newest living instant; all must be relays of one. */
const join = (place: FakePlace, session: Session, instants: readonly PointInTime[]) => {
  const tokens = instants.map((at) => ({ at, token: TokenSchema.parse(at.token) }));
  if (new Set(tokens.map(({ token }) => token.origin)).size > 1)
    throw new LifeboatError('InstantLost', 'two different instants were fixed', { hint: 'Start a new backup.' });
  const living = tokens.find(({ token }) => place.server.read(session, token.snapshot) !== undefined);
  if (living === undefined) throw lost();
  return living;
};

const joined = async (place: FakePlace, session: Session, context: StageContext) => {
  const { at, token } = join(place, session, await context.instants());
  const snapshot = place.server.read(session, token.snapshot);
  if (snapshot === undefined) throw lost();
  return { at, content: snapshot.content };
};

const dumpStage = (place: FakePlace): Stage => ({
  name: 'dump',
  mode: 'independent',
  async *plan(context, resume) {
    const session = await place.server.connect();
    try {
      const { content } = await joined(place, session, context);
      const tasks: z.output<typeof TaskSchema>[] = [{ kind: 'head' }];
      for (const [name, rows] of [...content].sort(([a], [b]) => (a < b ? -1 : 1)))
        for (let from = 0; from < rows.size; from += place.behaviour.rowsPerTask)
          tasks.push({ kind: 'rows', class: name, from, to: Math.min(rows.size, from + place.behaviour.rowsPerTask) });
      for (let n = resume === undefined ? 0 : Number(resume); n < tasks.length; n++) {
        await place.server.work(session, place.behaviour.plansInParts ? Math.min(place.behaviour.segmentMs, PLAN_MS) : 0, 'plan');
        const task = tasks[n];
        if (task !== undefined)
          yield { task, ...(place.behaviour.plansInParts && n + 1 < tasks.length ? { resume: String(n + 1) as Cursor } : {}) };
      }
    } finally {
      session.close();
    }
  },
  run: (json, context, resume) =>
    inSession(place.server, async (session) => {
      const task = TaskSchema.parse(json);
      const { at, content } = await joined(place, session, context);
      if (task.kind === 'rows') return dumpRows(place, session, content.get(task.class) ?? new Map(), task, context, resume);
      await place.server.work(session, place.behaviour.segmentMs, 'read');
      const shapes = await digestsOf([...content.keys()].map((name) => [name, []]));
      const segment = await write(place, context, 0, `begin\t${JSON.stringify([...content.keys()])}\n`, { kind: 'head' });
      return { segments: [segment], digests: shapes, facts: { at: { ...at }, rows: 0 } };
    }),
});

const CursorSchema = z.strictObject({ row: z.int(), segments: z.int() });

const dumpRows = async (
  place: FakePlace,
  session: Session,
  rows: ReadonlyMap<string, string>,
  task: { readonly class: string; readonly from: number; readonly to: number },
  context: TaskContext,
  resume: Cursor | undefined,
): Promise<Part> => {
  const sorted = [...rows].sort(([a], [b]) => (a < b ? -1 : 1));
  const begun = resume === undefined ? { row: task.from, segments: 0 } : CursorSchema.parse(JSON.parse(resume));
  if (place.behaviour.standsStill) return { segments: [], digests: [], next: { cursor: JSON.stringify(begun) as Cursor } };
  const segments: Segment[] = [];
  const parts: ClassDigest[] = [];
  let { row } = begun;
  // What it begins it must be able to end.
  while (row < task.to && (segments.length === 0 || context.budget.remaining() > place.behaviour.segmentMs * SLOWEST)) {
    const some = sorted.slice(row, Math.min(task.to, row + place.behaviour.rowsPerSegment));
    await place.server.work(session, place.behaviour.segmentMs, 'read');
    const text = some.map(([key, value]) => `row\t${JSON.stringify([task.class, key, value])}\n`).join('');
    segments.push(await write(place, context, begun.segments + segments.length, text, { kind: 'rows', class: task.class }));
    parts.push(...(await digestsOf([[task.class, some]])));
    row += some.length;
    context.progress({ rows: some.length, bytes: text.length, what: task.class });
  }
  const cursor = JSON.stringify({ row, segments: begun.segments + segments.length }) as Cursor;
  return {
    segments,
    digests: sumDigests(parts),
    facts: { rows: row - begun.row },
    ...(row < task.to ? { next: { cursor } } : {}),
  };
};

/** Key and value are columns; a row's bytes are both, each behind its length. */
export const digestsOf = async (
  classes: readonly (readonly [string, readonly (readonly [string, string])[]])[],
): Promise<ClassDigest[]> => {
  const open = await digests();
  return classes.map(([name, rows]) => {
    const digest = open.open(name, ['key', 'value']);
    for (const [key, value] of rows) {
      const bytes = Buffer.from(JSON.stringify([key, value]));
      digest.add(bytes, 1, 1 + Buffer.byteLength(JSON.stringify(key)));
    }
    return digest.end();
  });
};

const write = (
  place: FakePlace,
  context: TaskContext,
  n: number,
  text: string,
  about: { readonly kind: string; readonly class?: string },
) =>
  context.write.write(
    ordinal(about.kind === 'tail' ? ORDINAL_TASK_MAX : context.task, n),
    (async function* () {
      yield Buffer.from(text);
    })(),
    { encoding: place.behaviour.encoding, extension: 'lines', context: { ...about } },
  );

const FactsSchema = z.object({ rows: z.int() });

const rowsOf = async (context: StageContext): Promise<number> => {
  let rows = 0;
  for await (const { facts } of context.receipts('dump')) rows += FactsSchema.parse(facts).rows;
  return rows;
};

const sealStage = (place: FakePlace): Stage => ({
  name: 'seal',
  mode: 'independent',
  async *plan() {
    yield { task: {} };
  },
  run: async (_task, context) => ({
    segments: [await write(place, context, 0, `end\t${await rowsOf(context)}\n`, { kind: 'tail' })],
    digests: [],
  }),
});

const HeadSchema = z.object({ at: z.object({ consistency: z.literal('snapshot'), at: z.string(), token: z.json() }) });

const conclude = async (context: StageContext) => {
  let at: PointInTime | undefined;
  for await (const { facts } of context.receipts('dump')) {
    const head = HeadSchema.safeParse(facts);
    if (head.success) at = head.data.at;
  }
  if (at === undefined) throw new LifeboatError('BackupIncomplete', 'no task noted the point in time');
  return {
    pointInTime: at,
    artifact: { format: 'fake-lines', restoreWith: 'fake load' },
    assertions: [{ name: 'fake.rows', value: String(await rowsOf(context)) }],
    details: {},
    notIncluded: {},
    guide: 'Feed the segments to the fake.',
  };
};

/** Runs `use` over a session that ends with it. */
export const inSession = async <Result>(server: FakeServer, use: (session: Session) => Promise<Result>): Promise<Result> => {
  const session = await server.connect();
  try {
    return await use(session);
  } finally {
    session.close();
  }
};
