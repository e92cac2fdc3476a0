import { z } from 'zod';
import { loadDigest, sumDigests } from '../../backup/digest.ts';
import { ordinal } from '../../backup/ordinal.ts';
import type { ClassDigest, Segment } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { Claims, Part, Services, TaskContext } from '../contract.ts';
import type { MysqlAddress } from './address.ts';
import { barrierOf } from './barrier.ts';
import { readTables, type Table } from './catalog.ts';
import { type Connection, withConnection } from './connect.ts';
import { objectDefinitions, tableDefinitions } from './definitions.ts';
import type { LaneFacts } from './dump-facts.ts';
import { readFacts } from './facts.ts';
import { type Keeper, openKeeper } from './keeper.ts';
import { passBarrier } from './pass-barrier.ts';
import type { Passed } from './passed.ts';
import { tooLarge } from './plan.ts';
import { dumpRows } from './rows.ts';
import type { Reading } from './table-rows.ts';
import type { Chunk, LaneTask } from './tasks.ts';
import { loadTranscoder } from './transcoder.ts';

/** Segments of one lane that are still being stored while the next chunk is read. */
const STORING_MAX = 1;

/** One lane from beginning to end: to the barrier, through the chunks that nobody else has, to a last look at the definitions. */
export const runLane = (address: MysqlAddress, services: Services, task: LaneTask, context: TaskContext): Promise<Part> => {
  const { claims } = context;
  if (claims === undefined) throw new Error('a lane cannot share work without claims');
  return withConnection(
    address,
    services,
    async (connection) => {
      const keeper = task.lane === 0 ? await openKeeper(address, services, keptOf(task)) : undefined;
      const drop = (): void => keeper?.connection.destroy();
      context.budget.signal.addEventListener('abort', drop, { once: true });
      try {
        const { lane, lanes } = task;
        const barrier = barrierOf(await context.instants());
        const { signal } = context.budget;
        const passed = await passBarrier(connection, services, {
          lane,
          lanes,
          tables: Object.keys(task.tables),
          barrier,
          claims,
          signal,
          keeper,
        });
        const means = await dumpMeans(connection);
        return await takeChunks({ means, services, task, claims, context }, passed, keeper).catch((error: unknown) => {
          throw asLost(error, task.lane);
        });
      } finally {
        // With its connection, what it still has locked is unlocked.
        drop();
        context.budget.signal.removeEventListener('abort', drop);
      }
    },
    { signal: context.budget.signal },
  );
};

/** Tables that are read under the lock. */
const keptOf = (task: LaneTask): string[] =>
  task.chunks.flatMap((chunk) => (chunk.kind === 'rows' && chunk.underLock ? chunk.pieces.map(({ table }) => table) : []));

const isKept = (chunk: Chunk): boolean => chunk.kind === 'rows' && chunk.underLock;

/** Past the barrier nothing can be tried again: a new connection would see another instant. */
const asLost = (error: unknown, lane: number): unknown => {
  if (!(error instanceof LifeboatError) || !error.retryable) return error;
  return new LifeboatError('InstantLost', `lane ${lane} was lost past the barrier: ${error.message}`, {
    hint: 'No other connection can read at its instant. Start a new backup.',
    cause: error,
  });
};

interface Lane {
  readonly means: Reading;
  readonly services: Services;
  readonly task: LaneTask;
  readonly claims: Claims;
  readonly context: TaskContext;
}

const takeChunks = async (lane: Lane, passed: Passed | undefined, keeper: Keeper | undefined): Promise<Part> => {
  const { means, task, claims, context } = lane;
  const { connection } = means;
  const tables = await checkedTables(connection, task);
  const digests: ClassDigest[] = [];
  const segments: Promise<Segment>[] = [];
  let facts: LaneFacts = { lane: task.lane, of: task.chunks.length, chunks: [], ...(passed === undefined ? {} : { passed }) };
  const took = (index: number, done: Done): void => {
    facts = { ...facts, ...done.facts, chunks: [...facts.chunks, index] };
    digests.push(...done.digests);
    if (done.segment !== undefined) segments.push(done.segment);
  };
  /** One chunk, unless another lane has it. */
  const take = async (index: number): Promise<void> => {
    const chunk = task.chunks[index];
    if (chunk === undefined) return;
    if (context.budget.remaining() <= 0) throw tooLarge(`lane ${task.lane} ran out of time before chunk ${index} of ${task.chunks.length}`);
    if (!(await claims.take(`chunk-${index}`))) return;
    await connection.run('SAVEPOINT chunk');
    const done = await dumpChunk(lane, chunk, index, tables);
    // Gives back the locks on definitions, so that nobody's ALTER waits for the whole dump. The snapshot stays.
    await connection.run('ROLLBACK TO SAVEPOINT chunk');
    took(index, done);
    await segments.at(-1 - STORING_MAX);
  };
  try {
    if (keeper !== undefined && passed !== undefined) {
      // Before all other rows: until then nobody can write to them. The definitions come before any row of the artifact.
      await take(0);
      for (const [index, chunk] of task.chunks.entries()) {
        if (!isKept(chunk)) continue;
        took(index, await dumpChunk({ ...lane, means: { ...means, connection: keeper.connection } }, chunk, index, tables));
        await segments.at(-1 - STORING_MAX);
      }
      facts = { ...facts, passed: { ...passed, kept: { tables: [...keeper.tables], lockedMs: await keeper.unlock() } } };
    }
    for (const [index, chunk] of task.chunks.entries()) if (!isKept(chunk) && !facts.chunks.includes(index)) await take(index);
    const stored = await Promise.all(segments);
    // What was altered since the first look may have been read in two shapes.
    await checkedTables(connection, task);
    await connection.run('COMMIT', 'ending the instant');
    return { segments: stored, digests: sumDigests(digests), facts: z.json().parse(facts) };
  } catch (error) {
    await Promise.allSettled(segments);
    throw error;
  }
};

interface Done {
  readonly segment?: Promise<Segment>;
  readonly digests: readonly ClassDigest[];
  readonly facts?: Partial<LaneFacts>;
}

/** One chunk of a plan; its place in the plan is its place in the artifact. */
export const dumpChunk = async (
  { services, context, means }: Pick<Lane, 'services' | 'context' | 'means'>,
  chunk: Chunk,
  index: number,
  tables: ReadonlyMap<string, Table>,
): Promise<Done> => {
  const { connection } = means;
  const at = ordinal(index, 0);
  switch (chunk.kind) {
    case 'tables':
      return {
        segment: Promise.resolve(await writeText(context, at, 'tables', tableDefinitions(connection, [...tables.values()]))),
        digests: [],
      };
    case 'rows':
      return dumpRows(
        means,
        chunk.pieces.map((piece) => ({ piece, table: tables.get(piece.table) ?? missing(piece.table) })),
        at,
        context,
      );
    case 'facts':
      return { digests: [], facts: await readFacts(connection, services) };
    case 'objects':
      return { segment: Promise.resolve(await writeText(context, at, 'objects', objectDefinitions(connection))), digests: [] };
  }
};

/** All that a connection needs to read with. */
export const dumpMeans = async (connection: Connection): Promise<Reading> => {
  const [factory, transcoder] = await Promise.all([loadDigest(), loadTranscoder()]);
  return { connection, factory, transcoder };
};

const missing = (name: string): never => {
  throw changed([name]);
};

/** Stores a segment of statements without rows; small enough to be gathered first. */
export const writeText = async (
  context: Pick<TaskContext, 'write'>,
  at: Segment['ordinal'],
  kind: 'tables' | 'objects' | 'trailer',
  text: AsyncIterable<string> | Iterable<string>,
): Promise<Segment> => {
  const bytes: Buffer[] = [];
  for await (const piece of text) bytes.push(Buffer.from(piece));
  return context.write.write(at, inOrder(bytes), { encoding: 'zstd', extension: 'sql.zst', context: { kind } });
};

async function* inOrder(bytes: readonly Buffer[]): AsyncGenerator<Uint8Array> {
  yield* bytes;
}

/** The tables as they are now. Fails with SourceChanged when they are not those of the plan. */
const checkedTables = async (connection: Connection, { tables: planned }: LaneTask): Promise<ReadonlyMap<string, Table>> => {
  const tables = await readTables(connection);
  const found = new Map(tables.map((table) => [table.name, table]));
  const names = new Set([...found.keys(), ...Object.keys(planned)]);
  const differing = [...names].filter((name) => found.get(name)?.definition !== planned[name]).sort();
  if (differing.length > 0) throw changed(differing);
  return found;
};

const changed = (names: readonly string[]): LifeboatError => {
  const shown = names.slice(0, 5).join(', ');
  const more = names.length > 5 ? ` and ${names.length - 5} more` : '';
  return new LifeboatError('SourceChanged', `table ${shown}${more} was created, altered or dropped while the backup ran`, {
    hint: 'No snapshot protects against that. Start a new backup when migrations are over.',
  });
};
