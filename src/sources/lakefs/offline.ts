import type { Manifest } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { Budget, Objects, PoolProof } from '../contract.ts';
import { hashOf } from './audit-bytes.ts';
import { type Item, lookUp } from './copies.ts';
import { detailsOf } from './gathered.ts';
import { openIdSet } from './id-set.ts';
import { openMetadata, poolKey } from './namespace.ts';
import { reach } from './plan.ts';
import { proveClosed } from './refs.ts';
import type { Ids } from './rest/api.ts';
import { checkTable } from './sst/ident.ts';
import { decodeEntry } from './sst/records.ts';
import { openTable, splitValue } from './sst/table.ts';

/** Objects looked up together: held in memory. */
const ROUND_OBJECTS = 20_000;
const FLAWS_MAX = 100;
const MD5 = /^[0-9a-f]{32}$/;

export interface OfflineProof {
  readonly branches: number;
  readonly tags: number;
  readonly commits: number;
  readonly metaRanges: number;
  readonly ranges: number;
  /** Entries of all distinct ranges. */
  readonly rows: number;
  /** Objects that were looked up, and their bytes. */
  readonly objects: number;
  readonly bytes: number;
  readonly external: number;
  /** Objects whose bytes were read and compared. */
  readonly read: number;
  /** What is wrong, at most 100 of them. */
  readonly flaws: readonly Flaw[];
}

export interface OfflineInput {
  /** A pool, or a namespace: keys are the same. */
  readonly objects: Objects;
  readonly ids: Ids;
  readonly defaultBranch: string;
  readonly metadataPrefix: string;
  /** Also reads every object and compares its md5 with lakeFS's ETag. */
  readonly readBytes: boolean;
  readonly budget: Budget;
  readonly progress?: (rows: number) => void;
}

export interface Flaw {
  readonly key: string;
  readonly message: string;
}

interface Entry extends Item {
  readonly etag: string;
}

/**
 * Proves a backup without any server: from the refs over commits, metaranges and ranges to each object, every id recomputed, every
 * checksum compared. Damaged metadata fails with ArtifactInvalid, RefsTorn or ObjectMissing; objects that are wrong are listed.
 */
export const proveOffline = async (input: OfflineInput): Promise<OfflineProof> => {
  const metadata = openMetadata(input.objects, input.metadataPrefix);
  const { branches, tags, commits } = await proveClosed(metadata, input.ids, input.defaultBranch);
  const { metaRanges, ranges } = await reach(metadata, input.ids);
  const seen = openIdSet();
  const counts = { rows: 0, objects: 0, bytes: 0, external: 0, read: 0 };
  const flaws: Flaw[] = [];
  let round = new Map<string, Entry>();
  const look = async (): Promise<void> => {
    const items = [...round.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
    round = new Map();
    for await (const { item, found } of lookUp(input.objects, items)) {
      counts.objects += 1;
      counts.bytes += item.bytes;
      const flaw =
        found === undefined
          ? 'the object is missing'
          : found.bytes === item.bytes
            ? undefined
            : `it has ${found.bytes} bytes instead of ${item.bytes}`;
      if (flaw !== undefined) note(flaws, item.key, flaw);
      else if (input.readBytes && MD5.test(item.etag)) {
        counts.read += 1;
        const { md5 } = await hashOf(input.objects.read(item.key));
        if (md5 !== item.etag) note(flaws, item.key, `its md5 is ${md5} instead of ${item.etag}`);
      }
    }
  };
  for (const { id } of ranges) {
    input.budget.signal.throwIfAborted();
    if (!seen.add(id)) throw new LifeboatError('ArtifactInvalid', `range ${id} is planned twice`);
    const before = counts.rows;
    checkTable(openTable(await metadata.read(id)), id, (_path, value) => {
      counts.rows += 1;
      const { addressType, address, size, etag } = decodeEntry(splitValue(value).data);
      if (addressType === 'full') counts.external += 1;
      else round.set(address, { key: poolKey(address), bytes: size, etag });
    });
    input.progress?.(counts.rows - before);
    if (round.size >= ROUND_OBJECTS) await look();
  }
  await look();
  return { branches, tags, commits, metaRanges: metaRanges.length, ranges: ranges.length, ...counts, flaws };
};

/** Of a backup's own pool: everything is looked up; the bytes of objects are a drill's to read. */
export const verifyPool = async (manifest: Manifest, pool: Objects, budget: Budget): Promise<PoolProof> => {
  const { ids, repository, metadataPrefix } = detailsOf(manifest);
  const input = { objects: pool, ids, defaultBranch: repository.defaultBranch, metadataPrefix, readBytes: false, budget };
  const { branches, tags, commits, ranges, rows, objects, flaws } = await proveOffline(input);
  return {
    summary: `${branches} branches, ${tags} tags, ${commits} commits, ${ranges} ranges with ${rows} rows: every id is that of its content; ${objects} objects looked up`,
    flaws,
  };
};

const note = (flaws: Flaw[], key: string, message: string): void => {
  if (flaws.length < FLAWS_MAX) flaws.push({ key, message });
};
