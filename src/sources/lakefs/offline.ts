import type { Manifest } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { Budget, Objects, PoolProof } from '../contract.ts';
import type { VerifyPoolOptions } from '../pool.ts';
import { type Item, lookUp } from './copies.ts';
import { detailsOf } from './gathered.ts';
import { md5Of } from './hashes.ts';
import { openIdSet } from './id-set.ts';
import { contextOf, readInventory } from './inventory.ts';
import { openMetadata, poolKey } from './namespace.ts';
import { reach } from './plan.ts';
import { proveClosed } from './refs.ts';
import type { Ids } from './rest/api.ts';
import { checkTable } from './sst/ident.ts';
import { decodeEntry } from './sst/records.ts';
import { openTable, splitValue } from './sst/table.ts';
import { many } from './words.ts';

/** Objects looked up together: held in memory. */
const ROUND_OBJECTS = 20_000;
/** Objects read at the same time: each is a stream. */
const READS_AT_ONCE = 8;
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
  /** Objects whose bytes were read, and those that lakeFS has no MD5 of: they were uploaded in parts, or all of them into an encrypted bucket. */
  readonly read: number;
  readonly withoutMd5: number;
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
  const counts = { rows: 0, objects: 0, bytes: 0, external: 0, read: 0, withoutMd5: 0 };
  const flaws: Flaw[] = [];
  const others: Flaw[] = [];
  let differ = 0;
  let round = new Map<string, Entry>();
  const look = async (): Promise<void> => {
    const items = [...round.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
    round = new Map();
    const readable: Entry[] = [];
    for await (const { item, found } of lookUp(input.objects, items)) {
      counts.objects += 1;
      counts.bytes += item.bytes;
      if (found === undefined) note(flaws, item.key, 'the object is missing');
      else if (found.bytes !== item.bytes) note(flaws, item.key, `it has ${found.bytes} bytes instead of ${item.bytes}`);
      else if (MD5.test(item.etag)) readable.push(item);
      else counts.withoutMd5 += 1;
    }
    if (input.readBytes) await compareBytes(readable);
  };
  const compareBytes = async (items: readonly Entry[]): Promise<void> => {
    let next = 0;
    const lane = async (): Promise<void> => {
      for (let item = items[next++]; item !== undefined; item = items[next++]) {
        input.budget.signal.throwIfAborted();
        const md5 = await md5Of(input.objects.read(item.key));
        counts.read += 1;
        if (md5 === item.etag) continue;
        differ += 1;
        note(others, item.key, `its md5 is ${md5} instead of ${item.etag}`);
      }
    };
    await Promise.all(Array.from({ length: READS_AT_ONCE }, lane));
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
  // Of an encrypted bucket (SSE-KMS), lakeFS may have ETags that look like MD5s, and none of them is one.
  const noMd5s = differ > 1 && differ === counts.read;
  if (noMd5s) counts.withoutMd5 += differ;
  else for (const { key, message } of others) note(flaws, key, message);
  return { branches, tags, commits, metaRanges: metaRanges.length, ranges: ranges.length, ...counts, flaws };
};

/** Of a backup's own pool: everything is looked up, the bytes of objects are read on request. */
export const verifyPool = async (manifest: Manifest, pool: Objects, options: VerifyPoolOptions): Promise<PoolProof> => {
  const { ids, repository, metadataPrefix } = detailsOf(manifest);
  const input = { objects: pool, ids, defaultBranch: repository.defaultBranch, metadataPrefix, readBytes: options.bytes };
  const { branches, tags, commits, ranges, rows, objects, read, withoutMd5, flaws } = await proveOffline({
    ...input,
    budget: options.budget,
  });
  const more = await lookUpBesides(manifest, pool, options);
  const compared = options.bytes
    ? `, ${read} read and compared with lakeFS's checksum${withoutMd5 === 0 ? '' : ` (of ${withoutMd5} it has no MD5: uploaded in parts, or into an encrypted bucket)`}`
    : '';
  const shown = [
    many(branches, 'branch', 'branches'),
    many(tags, 'tag', 'tags'),
    many(commits, 'commit', 'commits'),
    many(ranges, 'range', 'ranges'),
  ];
  return {
    summary: `${shown.join(', ')} with ${many(rows, 'row', 'rows')}: every id is that of its content; ${many(objects + more.objects, 'object', 'objects')} looked up${compared}`,
    flaws: [...flaws, ...more.flaws],
  };
};

/** Objects of uncommitted changes, and copies of imported ones: no commit leads to them, the inventories alone name them. */
const lookUpBesides = async (
  manifest: Manifest,
  pool: Objects,
  { budget, read }: VerifyPoolOptions,
): Promise<{ readonly objects: number; readonly flaws: readonly Flaw[] }> => {
  const flaws: Flaw[] = [];
  let objects = 0;
  for (const segment of manifest.segments) {
    if (contextOf(segment).of === undefined) continue;
    budget.signal.throwIfAborted();
    const items = await Array.fromAsync(readInventory(read, segment));
    for await (const { item, found } of lookUp(pool, items)) {
      objects += 1;
      if (found === undefined) note(flaws, item.key, 'the object is missing');
      else if (found.bytes !== item.bytes) note(flaws, item.key, `it has ${found.bytes} bytes instead of ${item.bytes}`);
    }
  }
  return { objects, flaws };
};

const note = (flaws: Flaw[], key: string, message: string): void => {
  if (flaws.length < FLAWS_MAX) flaws.push({ key, message });
};
