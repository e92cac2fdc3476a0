import { z } from 'zod';
import type { Assertion, Check, Manifest } from '../../backup/types.ts';
import type { Services } from '../contract.ts';
import { collectAssertions } from './assertions.ts';
import type { Connection } from './connect.ts';
import { DetailsSchema } from './dump-facts.ts';
import type { Sequence } from './sequences.ts';
import { qualified } from './sql.ts';

/** Names in one check; the rest is counted. */
const NAMES_MAX = 5;

const Named = z.object({ name: z.string() });
const State = z.object({ last: z.string(), called: z.boolean() });

const INVALID_INDEXES = `
SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT (i.indisvalid AND i.indisready) ORDER BY 1`;
const UNFILLED_VIEWS = `
SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'm' AND NOT c.relispopulated ORDER BY 1`;

/** What the rows' digests do not say: sequences, indexes, the number of objects, what the product says of itself. */
export async function auditChecks(connection: Connection, services: Services, manifest: Manifest): Promise<Check[]> {
  // A backup that was not read when it was made promises nothing: a snapshot of a volume.
  if (manifest.details === null) return stateChecks(connection);
  const details = DetailsSchema.parse(manifest.details);
  return [
    ...(await stateChecks(connection)),
    await sequenceCheck(connection, details.sequences),
    ...assertionChecks(manifest, await collectAssertions(connection, services)),
  ];
}

/** What must hold in every restored database. */
export const stateChecks = async (connection: Connection): Promise<Check[]> => [
  none('invalid indexes', await connection.rows(Named, INVALID_INDEXES)),
  none('materialized views not filled', await connection.rows(Named, UNFILLED_VIEWS)),
];

const none = (name: string, found: readonly z.output<typeof Named>[]): Check => ({
  name,
  expected: '0',
  actual: found.length === 0 ? '0' : shortened(found.map((one) => one.name)),
  ok: found.length === 0,
});

async function sequenceCheck(connection: Connection, expected: readonly Sequence[]): Promise<Check> {
  const wrong: string[] = [];
  for (const sequence of expected) {
    const path = qualified(sequence.schema, sequence.name);
    const [there] = await connection.rows(z.object({ there: z.boolean() }), 'SELECT to_regclass($1) IS NOT NULL AS there', [path]);
    const [state] =
      there?.there === true ? await connection.rows(State, `SELECT last_value::text AS last, is_called AS called FROM ${path}`) : [];
    if (state?.last !== sequence.last || state.called !== sequence.called)
      wrong.push(`${path} at ${state?.last ?? 'nothing'} instead of ${sequence.last}`);
  }
  const all = `${expected.length} at their values`;
  return { name: 'sequences', expected: all, actual: wrong.length === 0 ? all : shortened(wrong), ok: wrong.length === 0 };
}

/** What the backup did not assert is not compared: it may be of an older Lifeboat. */
function assertionChecks(manifest: Manifest, now: readonly Assertion[]): Check[] {
  const actual = new Map(now.map(({ name, value }) => [name, value]));
  return manifest.assertions.map(({ name, value }) => ({
    name,
    expected: value,
    actual: actual.get(name) ?? 'not there',
    ok: actual.get(name) === value,
  }));
}

const shortened = (names: readonly string[]): string =>
  names.length > NAMES_MAX ? `${names.slice(0, NAMES_MAX).join(', ')} and ${names.length - NAMES_MAX} more` : names.join(', ');
