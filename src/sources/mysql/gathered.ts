import type { Assertion } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { StageContext } from '../contract.ts';
import { LaneFactsSchema, type ServerFacts } from './dump-facts.ts';
import type { Passed } from './passed.ts';

/** All that the receipts of the dump say. */
export interface Gathered {
  readonly passed: Passed;
  readonly server: ServerFacts;
  readonly assertions: readonly Assertion[];
  readonly notIncluded: Readonly<Record<string, string>>;
  /** Rows by class. */
  readonly rows: ReadonlyMap<string, bigint>;
}

/** Fails with BackupIncomplete when a chunk is in no lane's hands. */
export const gather = async (context: StageContext): Promise<Gathered> => {
  let passed: Passed | undefined;
  let server: ServerFacts | undefined;
  let chunks = 0;
  const done = new Set<number>();
  const assertions: Assertion[] = [];
  const notIncluded: Record<string, string> = {};
  const rows = new Map<string, bigint>();
  for await (const receipt of context.receipts('dump')) {
    for (const digest of receipt.digests) rows.set(digest.name, (rows.get(digest.name) ?? 0n) + BigInt(digest.rows));
    const facts = LaneFactsSchema.parse(receipt.facts);
    chunks = facts.of;
    for (const chunk of facts.chunks) done.add(chunk);
    passed ??= facts.passed;
    server ??= facts.server;
    assertions.push(...(facts.assertions ?? []));
    Object.assign(notIncluded, facts.notIncluded);
  }
  const lost = Array.from({ length: chunks }, (_, chunk) => chunk).find((chunk) => !done.has(chunk));
  if (lost !== undefined) throw new LifeboatError('BackupIncomplete', `chunk ${lost} of ${chunks} is in no lane's receipt`);
  if (passed === undefined || server === undefined)
    throw new LifeboatError('BackupIncomplete', 'the receipts of the dump lack the facts of the server');
  return { passed, server, assertions, notIncluded, rows };
};
