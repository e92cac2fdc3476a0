import { z } from 'zod';
import { type DigestFactory, loadDigest } from '../../backup/digest.ts';
import { restoreInput } from '../../backup/restore-input.ts';
import type { ClassDigest } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import type { Cursor, Part, Services, Stage, TaskContext } from '../contract.ts';
import type { PostgresAddress } from './address.ts';
import { auditChecks } from './audit-checks.ts';
import { readClasses, readTables, type Table } from './catalog.ts';
import { type Connection, withConnection } from './connect.ts';
import { copyOut } from './copy-out.ts';
import { copyOutSql } from './copy-sql.ts';
import { planTasks } from './plan.ts';
import { addRow, openDigests } from './table-rows.ts';
import { type Chunk, ChunkSchema } from './tasks.ts';

const AuditTaskSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('checks') }),
  z.strictObject({ kind: z.literal('rows'), chunks: z.array(ChunkSchema).min(1) }),
]);

/** How far a task came: chunks done, rows of the next one done. */
const CursorSchema = z.strictObject({ chunk: z.int().nonnegative(), rows: z.int().nonnegative() });
type Position = z.output<typeof CursorSchema>;

/** One view of the data for all tables of a task; rows in the order of their pages, so that a later invocation can go on. */
const BEGIN = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off`;
/** Progress is told once for this many bytes of text. */
const PROGRESS_BYTES = 8 * 1024 * 1024;

/** Reads every row that is really there, by ranges of its own. Needs nothing of the backup but what is to be compared. */
export const auditStage = (address: PostgresAddress, services: Services): Stage => ({
  name: 'audit',
  mode: 'independent',
  async *plan() {
    const tables = await withConnection(address, services, (connection) => readTables(connection), { otherwise: 'TargetProblem' });
    yield { task: { kind: 'checks' } };
    for (const task of planTasks(tables)) if (task.kind === 'data') yield { task: { kind: 'rows', chunks: task.chunks } };
  },
  async run(json, context, resume): Promise<Part> {
    const task = AuditTaskSchema.parse(json);
    const work = (connection: Connection) =>
      task.kind === 'rows' ? auditRows(connection, task.chunks, context, resume) : checks(connection, services, context);
    return withConnection(address, services, work, { otherwise: 'TargetProblem' });
  },
});

/** The product's own checks, and the classes that have no relation with rows at all: an empty class is a claim, too. */
async function checks(connection: Connection, services: Services, context: TaskContext): Promise<Part> {
  const tables = await readTables(connection);
  const known = new Set(tables.map((table) => table.class));
  const factory = await loadDigest();
  const empty = (await readClasses(connection, tables)).filter((table) => !known.has(table.class));
  const digests = empty.flatMap((table) => ended(openDigests(factory, table)));
  return {
    segments: [],
    digests,
    facts: z.json().parse({ checks: await auditChecks(connection, services, restoreInput(context).manifest) }),
  };
}

async function auditRows(
  connection: Connection,
  chunks: readonly Chunk[],
  context: TaskContext,
  resume: Cursor | undefined,
): Promise<Part> {
  const from: Position = resume === undefined ? { chunk: 0, rows: 0 } : CursorSchema.parse(parseJson(resume));
  const factory = await loadDigest();
  await connection.run(BEGIN, 'beginning to read');
  const tables = await readTables(connection, [...new Set(chunks.slice(from.chunk).map((chunk) => chunk.oid))]);
  const byOid = new Map(tables.map((table) => [table.oid, table]));
  const digests: ClassDigest[] = [];
  let at = from;
  for (;;) {
    const chunk = chunks[at.chunk];
    if (chunk === undefined) return { segments: [], digests };
    const table = byOid.get(chunk.oid);
    if (table === undefined)
      throw new LifeboatError('TargetProblem', `table ${chunk.schema}.${chunk.name} was dropped while the audit ran`);
    const done = await auditChunk(connection, { table, chunk, skip: at.rows }, factory, context);
    digests.push(...done.digests);
    at = done.complete ? { chunk: at.chunk + 1, rows: 0 } : { ...at, rows: at.rows + done.rows };
    if (at.chunk < chunks.length && (!done.complete || context.budget.remaining() <= 0)) {
      return { segments: [], digests, next: { cursor: JSON.stringify(at) as Cursor } };
    }
  }
}

interface Reading {
  readonly table: Table;
  readonly chunk: Chunk;
  /** Rows of the chunk that an earlier invocation has. */
  readonly skip: number;
}

async function auditChunk(
  connection: Connection,
  { table, chunk, skip }: Reading,
  factory: DigestFactory,
  { budget, progress }: TaskContext,
) {
  const digests = openDigests(factory, table);
  let rows = 0;
  let bytes = 0;
  let told = { rows: 0, bytes: 0 };
  const tell = (): void => {
    progress({ rows: rows - told.rows, bytes: bytes - told.bytes, what: table.class });
    told = { rows, bytes };
  };
  const sink = {
    row(buffer: Buffer, start: number, end: number): void {
      addRow(digests, table, buffer, start, end);
      rows++;
      bytes += end - start;
    },
    batch(): 'stop' | undefined {
      if (rows > 0 && budget.remaining() <= 0) return 'stop';
      if (bytes - told.bytes > PROGRESS_BYTES) tell();
      return undefined;
    },
  };
  const result = await copyOut(
    connection,
    copyOutSql(table, chunk, skip),
    sink,
    `auditing table ${table.schema}.${table.name}`,
    budget.signal,
  );
  tell();
  return { ...result, digests: ended(digests) };
}

const ended = ({ written, generated }: ReturnType<typeof openDigests>): ClassDigest[] => [
  written.end(),
  ...(generated === undefined ? [] : [generated.end()]),
];
