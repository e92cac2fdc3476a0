import type { BrokenEntry, CatalogEntry, SoundEntry } from '../backup/catalog.ts';
import type { Holding } from '../sources/pool.ts';
import { kinds } from '../sources/registry.ts';
import { proofJson } from './words.ts';

const sum = (values: Iterable<number>): number => {
  let total = 0;
  for (const value of values) total += value;
  return total;
};

/** A backup in JSON, as `list` and `show` have it. Counts of rows are decimal strings. */
export const backupJson = (entry: SoundEntry): Readonly<Record<string, unknown>> => {
  const { manifest } = entry;
  return {
    source: entry.source,
    backup: entry.backup,
    state: entry.state,
    kind: manifest.source.kind,
    at: manifest.pointInTime.at,
    consistency: manifest.pointInTime.consistency,
    startedAt: manifest.startedAt,
    sealedAt: manifest.sealedAt,
    bytes: entry.bytes,
    rawBytes: rawBytes(entry),
    segments: manifest.segments.length,
    rows: entry.rows,
    holds: holdingOf(entry) ?? null,
    horizon: manifest.horizon ?? null,
    proof: proofJson(entry.proof),
  };
};

/** Whether what the backup points at may be gone. */
export const isBeyondHorizon = ({ manifest }: SoundEntry, now: Date): boolean =>
  manifest.horizon !== undefined && Date.parse(manifest.horizon.at) <= now.getTime();

/** In the words of its product, where it has any beside rows; a kind that is not known here has none. */
export const holdingOf = ({ manifest }: SoundEntry): Holding | undefined =>
  kinds.find(({ kind }) => kind === manifest.source.kind)?.holds?.(manifest);

/** Before compression. */
export const rawBytes = ({ manifest }: SoundEntry): number => sum(manifest.segments.map((segment) => segment.rawBytes));

export const secondsOf = ({ manifest }: SoundEntry): number => (Date.parse(manifest.sealedAt) - Date.parse(manifest.startedAt)) / 1000;

/** Of a backup whose manifest cannot be trusted there is little to say. */
const brokenJson = ({ source, backup, state, proof, problem }: BrokenEntry): Readonly<Record<string, unknown>> => ({
  source,
  backup,
  state,
  problem: { code: problem.code, message: problem.message, hint: problem.hint },
  proof: proofJson(proof),
});

export const entryJson = (entry: CatalogEntry): Readonly<Record<string, unknown>> =>
  entry.state === 'sound' ? backupJson(entry) : brokenJson(entry);
