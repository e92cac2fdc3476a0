import { z } from 'zod';
import { loadDigest } from '../../backup/digest.ts';
import { restoreInput } from '../../backup/restore-input.ts';
import type { Check, ClassDigest, Manifest } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import type { Cursor, Part, Services, Stage, TaskContext } from '../contract.ts';
import type { MysqlAddress } from './address.ts';
import { readTables, type Table } from './catalog.ts';
import { type Connection, withConnection } from './connect.ts';
import { collectAssertions } from './facts.ts';
import { CHUNK_BYTES, planChunks } from './plan.ts';
import { type PieceSink, type Reading, readPiece } from './table-rows.ts';
import { type Piece, PieceSchema } from './tasks.ts';
import { loadTranscoder } from './transcoder.ts';

const AuditTaskSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('checks') }),
  z.strictObject({ kind: z.literal('rows'), pieces: z.array(PieceSchema).min(1) }),
]);

/** Pieces done. */
const CursorSchema = z.int().nonnegative();

/** Reads every row that is really there, by ranges of its own. Needs nothing of the backup but what is to be compared. */
export const auditStage = (address: MysqlAddress, services: Services): Stage => ({
  name: 'audit',
  mode: 'independent',
  async *plan(context) {
    const { chunks } = await withConnection(
      address,
      services,
      async (connection) => planChunks(connection, await readTables(connection), CHUNK_BYTES),
      { target: true, signal: context.budget.signal },
    );
    yield { task: { kind: 'checks' } };
    for (const chunk of chunks) if (chunk.kind === 'rows') yield { task: { kind: 'rows', pieces: chunk.pieces } };
  },
  async run(json, context, resume): Promise<Part> {
    const task = AuditTaskSchema.parse(json);
    const work = (connection: Connection): Promise<Part> =>
      task.kind === 'rows'
        ? auditRows(connection, task.pieces, context, resume)
        : checks(connection, services, restoreInput(context).manifest);
    return withConnection(address, services, work, { target: true, signal: context.budget.signal });
  },
});

/** What the backup did not assert is not compared: it may be of an older Lifeboat. */
const checks = async (connection: Connection, services: Services, manifest: Manifest): Promise<Part> => {
  const actual = new Map((await collectAssertions(connection, services)).map(({ name, value }) => [name, value]));
  const compared = manifest.assertions.map(
    ({ name, value }): Check => ({ name, expected: value, actual: actual.get(name) ?? 'not there', ok: actual.get(name) === value }),
  );
  return { segments: [], digests: [], facts: z.json().parse({ checks: compared }) };
};

const auditRows = async (
  connection: Connection,
  pieces: readonly Piece[],
  context: TaskContext,
  resume: Cursor | undefined,
): Promise<Part> => {
  const from = resume === undefined ? 0 : CursorSchema.parse(parseJson(resume));
  await connection.run('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY', 'beginning to read');
  const tables = new Map((await readTables(connection)).map((table) => [table.name, table]));
  const [factory, transcoder] = await Promise.all([loadDigest(), loadTranscoder()]);
  const reading: Reading = { connection, factory, transcoder };
  const digests: ClassDigest[] = [];
  let at = from;
  for (const piece of pieces.slice(from)) {
    if (at > from && context.budget.remaining() <= 0) return { segments: [], digests, next: { cursor: JSON.stringify(at) as Cursor } };
    const table = tables.get(piece.table);
    if (table === undefined) throw new LifeboatError('TargetProblem', `table ${piece.table} was dropped while the audit ran`);
    digests.push(...(await auditPiece(reading, table, piece, context)));
    at += 1;
  }
  return { segments: [], digests };
};

const auditPiece = async (reading: Reading, table: Table, piece: Piece, context: TaskContext): Promise<ClassDigest[]> => {
  const done = { rows: 0, bytes: 0 };
  const sink: PieceSink = {
    tuples(_tuples, start, end, count) {
      done.bytes += end - start;
      done.rows += count;
    },
    pressure: () => undefined,
  };
  const digests = await readPiece(reading, table, piece, sink, `auditing table ${table.name}`);
  context.progress({ ...done, what: table.name });
  return digests;
};
