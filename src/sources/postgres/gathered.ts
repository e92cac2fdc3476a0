import type { Assertion, PointInTime } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { StageContext } from '../contract.ts';
import { DumpFactsSchema, type ServerFacts, type TableFacts } from './dump-facts.ts';
import type { Sequence } from './sequences.ts';

/** All that the receipts of the dump say. */
export interface Gathered {
  readonly instant: PointInTime;
  readonly server: ServerFacts;
  readonly tables: readonly TableFacts[];
  readonly sequences: readonly Sequence[];
  readonly assertions: readonly Assertion[];
  readonly notIncluded: Readonly<Record<string, string>>;
  /** Rows by class. */
  readonly rows: ReadonlyMap<string, bigint>;
}

export const gather = async (context: StageContext): Promise<Gathered> => {
  let instant: PointInTime | undefined;
  let server: ServerFacts | undefined;
  let notIncluded = {};
  const tables = new Map<string, TableFacts>();
  const sequences: Sequence[] = [];
  const assertions: Assertion[] = [];
  const rows = new Map<string, bigint>();
  for await (const receipt of context.receipts('dump')) {
    for (const digest of receipt.digests) rows.set(digest.name, (rows.get(digest.name) ?? 0n) + BigInt(digest.rows));
    if (receipt.facts === undefined) continue;
    const facts = DumpFactsSchema.parse(receipt.facts);
    instant ??= facts.instant;
    server ??= facts.server;
    notIncluded = { ...notIncluded, ...facts.notIncluded };
    sequences.push(...(facts.sequences ?? []));
    assertions.push(...(facts.assertions ?? []));
    for (const piece of facts.tables ?? []) tables.set(piece.class, joined(tables.get(piece.class), piece));
  }
  if (instant === undefined || server === undefined)
    throw new LifeboatError('BackupIncomplete', 'the receipts of the dump lack the facts of the server');
  return { instant, server, tables: [...tables.values()], sequences, assertions, notIncluded, rows };
};

const joined = (known: TableFacts | undefined, piece: TableFacts): TableFacts =>
  known === undefined
    ? piece
    : { ...known, columns: [...known.columns, ...piece.columns], generated: [...known.generated, ...piece.generated] };
