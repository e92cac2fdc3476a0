import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Assertion } from '../../backup/types.ts';
import { type Dialect, POSTGRES } from './dialect.ts';
import { fernetAssertions } from './fernet.ts';
import { danglingExtensions, danglingRelationships, danglingTags } from './relationships.ts';
import { type Catalogue, entityTables, findCatalogue, has, numberOf, type Query } from './tables.ts';

export interface FactsOptions {
  readonly dialect?: Dialect;
  /** OpenMetadata's FERNET_KEY itself; only its fingerprint is told. */
  readonly fernetKey?: string;
}

const Migration = z.object({ version: z.string(), checksum: z.string().nullable() });
/** Hex digits of sha256 that stand for a set of migrations. */
const FINGERPRINT_DIGITS = 16;

/**
 * What OpenMetadata says of its own content; a restored catalogue must say the same. Damage that the source has is not damage of the
 * backup, so that dangling references are counted, not forbidden. Empty when the database holds no OpenMetadata.
 */
export async function collectFacts(query: Query, { dialect = POSTGRES, fernetKey }: FactsOptions = {}): Promise<Assertion[]> {
  const catalogue = await findCatalogue(query, dialect);
  if (catalogue === undefined) return [];
  const facts: Assertion[] = await versionFacts(catalogue);
  for (const name of entityTables(catalogue)) {
    facts.push({
      name: `openmetadata.entities.${name}`,
      value: await numberOf(catalogue, `SELECT count(*) AS n FROM ${catalogue.table(name)}`),
    });
  }
  facts.push(
    { name: 'openmetadata.relationships-without-entity', value: await danglingRelationships(catalogue) },
    { name: 'openmetadata.labels-without-tag', value: await danglingTags(catalogue) },
    { name: 'openmetadata.extensions-without-entity', value: await danglingExtensions(catalogue) },
  );
  if (has(catalogue, 'change_event', 'eventtime')) {
    const newest = `SELECT max(eventTime) AS n FROM ${catalogue.table('change_event')}`;
    facts.push({ name: 'openmetadata.newest-change-event', value: await numberOf(catalogue, newest) });
  }
  if (fernetKey !== undefined) facts.push(...(await fernetAssertions(catalogue, fernetKey)));
  return facts;
}

/** OpenMetadata restores only into the version that wrote it, and the migrations that ran are part of it. */
async function versionFacts(catalogue: Catalogue): Promise<Assertion[]> {
  const rows = await catalogue.query(`SELECT version, checksum FROM ${catalogue.table('server_change_log')}`);
  const migrations = rows.map((row) => Migration.parse(row));
  const lines = migrations.map(({ version, checksum }) => `${version}:${checksum ?? ''}\n`).sort();
  const hash = createHash('sha256').update(lines.join('')).digest('hex').slice(0, FINGERPRINT_DIGITS);
  return [
    {
      name: 'openmetadata.version',
      value:
        migrations
          .map(({ version }) => version)
          .sort(byVersion)
          .at(-1) ?? 'none',
    },
    { name: 'openmetadata.migrations', value: `${migrations.length} (sha256 ${hash})` },
  ];
}

/** `1.9.0` comes before `1.13.4`. */
function byVersion(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split(/\D+/).map(Number));
  for (let i = 0; i < Math.max(left?.length ?? 0, right?.length ?? 0); i++) {
    const difference = (left?.[i] ?? 0) - (right?.[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
