import { z } from 'zod';
import { type DigestFactory, loadDigest, sumDigests } from '../../backup/digest.ts';
import { ordinal } from '../../backup/ordinal.ts';
import type { ClassDigest, Segment } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { Claims, Part, Services, TaskContext } from '../contract.ts';
import type { MysqlAddress } from './address.ts';
import { barrierOf, joinBarrier } from './barrier.ts';
import { readTables, type Table } from './catalog.ts';
import { type Connection, connect, withConnection } from './connect.ts';
import { coordinate, type Passed } from './coordinator.ts';
import { objectDefinitions, tableDefinitions } from './definitions.ts';
import type { LaneFacts } from './dump-facts.ts';
import { readFacts } from './facts.ts';
import { tooLarge } from './plan.ts';
import { dumpRows } from './rows.ts';
import type { Chunk, LaneTask } from './tasks.ts';

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
      const passed = await passBarrier(connection, services, task, claims, context);
      try {
        return await takeChunks({ connection, services, task, claims, context }, passed);
      } catch (error) {
        throw asLost(error, task.lane);
      }
    },
    { signal: context.budget.signal },
  );
};

/** Lane 0 brings its coordinator along, on a connection of its own. */
const passBarrier = async (
  connection: Connection,
  services: Services,
  task: LaneTask,
  claims: Claims,
  context: TaskContext,
): Promise<Passed | undefined> => {
  const shared = {
    claims,
    barrier: barrierOf(await context.instants()),
    timeoutMs: connection.address.barrierTimeout * 1000,
    signal: context.budget.signal,
  };
  const joining = { ...shared, connection, lane: task.lane };
  if (task.lane > 0) {
    await joinBarrier(joining);
    return undefined;
  }
  const coordinator = await connect(connection.address, services);
  const coordinating = coordinate({ ...shared, connection: coordinator, lanes: task.lanes, tables: Object.keys(task.tables) });
  const joined = joinBarrier(joining);
  try {
    const [passed] = await Promise.all([coordinating, joined]);
    return passed;
  } catch (error) {
    // Neither waits for the other in vain; with its connection, what the coordinator has locked is unlocked.
    connection.destroy();
    coordinator.destroy();
    await Promise.allSettled([coordinating, joined]);
    throw error;
  } finally {
    await coordinator.close();
  }
};

/** Past the barrier nothing can be tried again: a new connection would see another instant. */
const asLost = (error: unknown, lane: number): unknown => {
  if (!(error instanceof LifeboatError) || !error.retryable) return error;
  return new LifeboatError('InstantLost', `lane ${lane} was lost past the barrier: ${error.message}`, {
    hint: 'No other connection can read at its instant. Start a new backup.',
    cause: error,
  });
};

interface Lane {
  readonly connection: Connection;
  readonly services: Services;
  readonly task: LaneTask;
  readonly claims: Claims;
  readonly context: TaskContext;
}

const takeChunks = async (lane: Lane, passed: Passed | undefined): Promise<Part> => {
  const { connection, task, claims, context } = lane;
  const tables = await checkedTables(connection, task);
  const factory = await loadDigest();
  const digests: ClassDigest[] = [];
  const segments: Promise<Segment>[] = [];
  let facts: LaneFacts = { lane: task.lane, of: task.chunks.length, chunks: [], ...(passed === undefined ? {} : { passed }) };
  try {
    for (const [index, chunk] of task.chunks.entries()) {
      if (context.budget.remaining() <= 0)
        throw tooLarge(`lane ${task.lane} ran out of time before chunk ${index} of ${task.chunks.length}`);
      if (!(await claims.take(`chunk-${index}`))) continue;
      await connection.run('SAVEPOINT chunk');
      const done = await dumpChunk(lane, chunk, index, tables, factory);
      // Gives back the locks on definitions, so that nobody's ALTER waits for the whole dump. The snapshot stays.
      await connection.run('ROLLBACK TO SAVEPOINT chunk');
      facts = { ...facts, ...done.facts, chunks: [...facts.chunks, index] };
      digests.push(...done.digests);
      if (done.segment !== undefined) segments.push(done.segment);
      await segments.at(-1 - STORING_MAX);
    }
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
  { connection, services, context }: Pick<Lane, 'connection' | 'services' | 'context'>,
  chunk: Chunk,
  index: number,
  tables: ReadonlyMap<string, Table>,
  factory: DigestFactory,
): Promise<Done> => {
  const at = ordinal(index, 0);
  switch (chunk.kind) {
    case 'tables':
      return {
        segment: Promise.resolve(await writeText(context, at, 'tables', tableDefinitions(connection, [...tables.values()]))),
        digests: [],
      };
    case 'rows':
      return dumpRows(
        connection,
        chunk.pieces.map((piece) => ({ piece, table: tables.get(piece.table) ?? missing(piece.table) })),
        at,
        factory,
        context,
      );
    case 'facts':
      return { digests: [], facts: await readFacts(connection, services) };
    case 'objects':
      return { segment: Promise.resolve(await writeText(context, at, 'objects', objectDefinitions(connection))), digests: [] };
  }
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
