import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { isLifeboatError, LifeboatError } from '../errors.ts';
import type { Budget } from '../sources/contract.ts';
import type { Store } from '../stores/store.ts';
import { backupPrefix, restoreGuideKey, segmentKeyStart } from './layout.ts';
import type { Encoding, Manifest, Segment } from './types.ts';

/** Segments that are read at the same time: hides a store's latency, holds a few buffers. */
const READS_IN_FLIGHT = 4;

/** Objects that no manifest names are harmless: their number matters, not each name. */
const EXTRA_SHOWN = 100;

export type DamageKind =
  | 'missing'
  | 'truncated'
  | 'grown'
  | 'flipped'
  | 'swapped'
  | 'undecodable'
  | 'raw-mismatch'
  | 'misnamed'
  | 'no-guide';

/** One thing that is wrong with a backup. */
export interface Damage {
  readonly kind: DamageKind;
  /** Below the backup. */
  readonly key: string;
  /** Of the segment; absent when it is about another object. */
  readonly ordinal?: string;
  readonly message: string;
}

/** What one invocation of a verification found; `next` when its budget ended before the backup did. */
export interface VerifyPart {
  readonly damages: readonly Damage[];
  readonly segments: number;
  readonly bytes: number;
  readonly rawBytes: number;
  /** Objects among the segments that the manifest does not name, at most EXTRA_SHOWN of them; readers ignore them. */
  readonly extra: readonly string[];
  readonly extraCount: number;
  readonly next?: string;
}

export interface VerifyInput {
  readonly store: Store;
  readonly manifest: Manifest;
  /** Decodes a segment's bytes; fails with ArtifactInvalid on damaged ones. */
  readonly decode: (stored: AsyncIterable<Uint8Array>, encoding: Encoding) => AsyncIterable<Uint8Array>;
  readonly budget: Budget;
  /** Of the part before this one. */
  readonly cursor?: string | undefined;
  readonly onSegment?: (segment: Segment, damage: Damage | undefined) => void;
}

/**
 * Reads every segment of a backup and checks it against the manifest: size, sha256, decoded size. Damage is an answer, not an
 * error; a store that cannot be read is an error.
 */
export const verifyBackup = async (input: VerifyInput): Promise<VerifyPart> => {
  const { segments } = input.manifest;
  const start = startOf(input.cursor, segments.length);
  const edges = start === 0 ? await surroundings(input) : { damages: [], extra: [], extraCount: 0 };
  const damages: Damage[] = [...edges.damages];
  let [position, bytes, rawBytes] = [start, 0, 0];
  // The first round always runs: every invocation gets somewhere.
  while (position < segments.length && (position === start || input.budget.remaining() > 0)) {
    input.budget.signal.throwIfAborted();
    const round = segments.slice(position, position + READS_IN_FLIGHT);
    const found = await Promise.all(round.map((segment) => verifySegment(input, segment)));
    damages.push(...found.filter((damage) => damage !== undefined));
    for (const segment of round) [bytes, rawBytes] = [bytes + segment.bytes, rawBytes + segment.rawBytes];
    position += round.length;
  }
  const next = position < segments.length ? { next: String(position) } : {};
  return { damages, segments: position - start, bytes, rawBytes, extra: edges.extra, extraCount: edges.extraCount, ...next };
};

const startOf = (cursor: string | undefined, segments: number): number => {
  if (cursor === undefined) return 0;
  const position = Number(cursor);
  if (Number.isInteger(position) && position > 0 && position < segments) return position;
  throw new LifeboatError('Usage', `not a place to go on verifying from: ${cursor.slice(0, 40)}`);
};

/** What lies beside the segments: objects that are too many, RESTORE.md that is not there. */
const surroundings = async ({ store, manifest }: VerifyInput): Promise<Pick<VerifyPart, 'damages' | 'extra' | 'extraCount'>> => {
  const { source, backup } = { source: manifest.source.name, backup: manifest.backup };
  const root = backupPrefix(source, backup);
  const known = new Set(manifest.segments.map((segment) => segment.key));
  const extra: string[] = [];
  let extraCount = 0;
  for await (const { key } of store.list(`${root}segments/`)) {
    const relative = key.slice(root.length);
    if (known.has(relative)) continue;
    extraCount += 1;
    if (extra.length < EXTRA_SHOWN) extra.push(relative);
  }
  const guide = restoreGuideKey(source, backup);
  const damages: Damage[] =
    (await store.head(guide)) === undefined
      ? [{ kind: 'no-guide', key: guide.slice(root.length), message: 'RESTORE.md is missing; the segments do not need it' }]
      : [];
  return { damages, extra, extraCount };
};

const verifySegment = async (input: VerifyInput, segment: Segment): Promise<Damage | undefined> => {
  const damage = await damageOf(input, segment);
  input.onSegment?.(segment, damage);
  return damage;
};

const damageOf = async (input: VerifyInput, segment: Segment): Promise<Damage | undefined> => {
  const say = (kind: DamageKind, message: string): Damage => ({ kind, key: segment.key, ordinal: segment.ordinal, message });
  if (!segment.key.startsWith(segmentKeyStart(segment.ordinal, segment.sha256)))
    return say('misnamed', `the key does not belong to ordinal ${segment.ordinal} and sha256 ${segment.sha256}`);
  try {
    const stored = openHash();
    const raw = await measure(input.decode(stored.through(readSegment(input, segment)), segment.encoding)).catch((error: unknown) => {
      if (isLifeboatError(error, 'ArtifactInvalid')) return error;
      throw error;
    });
    // A decoder may stop before the end of the object, and does so at the first damage.
    const seen = stored.result() ?? (await hashAll(readSegment(input, segment)));
    const wrong = compareStored(input.manifest, segment, seen);
    if (wrong !== undefined) return say(wrong.kind, wrong.message);
    if (raw instanceof Error) return say('undecodable', raw.message);
    if (raw.bytes !== segment.rawBytes) return say('raw-mismatch', `${raw.bytes} bytes decoded, ${segment.rawBytes} expected`);
    if (segment.rawCrc32 !== undefined && raw.crc32 !== segment.rawCrc32)
      return say('raw-mismatch', `crc32 of the decoded bytes is ${raw.crc32}, ${segment.rawCrc32} expected`);
    return undefined;
  } catch (error) {
    if (isLifeboatError(error, 'NoSuchObject')) return say('missing', 'the object is not in the store');
    throw error;
  }
};

const readSegment = ({ store, manifest, budget }: VerifyInput, segment: Segment): AsyncIterable<Uint8Array> =>
  store.read(backupPrefix(manifest.source.name, manifest.backup) + segment.key, {
    signal: budget.signal,
    ...(segment.versionId === undefined ? {} : { versionId: segment.versionId }),
  });

interface Seen {
  readonly bytes: number;
  readonly sha256: string;
}

const compareStored = (manifest: Manifest, segment: Segment, seen: Seen): { kind: DamageKind; message: string } | undefined => {
  if (seen.sha256 === segment.sha256 && seen.bytes === segment.bytes) return undefined;
  const other = manifest.segments.find((candidate) => candidate.sha256 === seen.sha256 && candidate.ordinal !== segment.ordinal);
  if (other !== undefined) return { kind: 'swapped', message: `it holds the bytes of segment ${other.ordinal}` };
  if (seen.bytes < segment.bytes) return { kind: 'truncated', message: `${seen.bytes} bytes of ${segment.bytes}` };
  if (seen.bytes > segment.bytes) return { kind: 'grown', message: `${seen.bytes} bytes, ${segment.bytes} expected` };
  return { kind: 'flipped', message: `sha256 is ${seen.sha256}, ${segment.sha256} expected` };
};

/** Hashes what goes through; has a result only when the source was read to its end. */
const openHash = (): { through(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>; result(): Seen | undefined } => {
  const hash = createHash('sha256');
  let bytes = 0;
  let ended: Seen | undefined;
  const through = async function* (source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      hash.update(chunk);
      bytes += chunk.length;
      yield chunk;
    }
    ended = { bytes, sha256: hash.digest('hex') };
  };
  return { through, result: () => ended };
};

const hashAll = async (source: AsyncIterable<Uint8Array>): Promise<Seen> => {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of source) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest('hex') };
};

const measure = async (raw: AsyncIterable<Uint8Array>): Promise<{ bytes: number; crc32: number }> => {
  let [bytes, crc] = [0, 0];
  for await (const chunk of raw) [bytes, crc] = [bytes + chunk.length, crc32(chunk, crc)];
  return { bytes, crc32: crc };
};
