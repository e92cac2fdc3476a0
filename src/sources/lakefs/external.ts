import { createHash } from 'node:crypto';
import type { Segment } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { Budget, Objects, SegmentSource } from '../contract.ts';
import { COPIES_AT_ONCE, type Item, lookUp } from './copies.ts';
import { readLines } from './inventory.ts';
import { ExternalLineSchema } from './tasks.ts';

/** An object that was imported: it lies in a place of somebody else's, where it may change or go. */
export interface External {
  readonly address: string;
  readonly bytes: number;
  /** Of the storage, when it was imported. */
  readonly etag: string;
}

export type OpenPlace = (url: string) => Promise<Objects>;

/** Of its copy in the pool: what was imported again after it had changed is another object. */
export const externalKey = ({ address, bytes, etag }: External): string =>
  `external/${createHash('sha256')
    .update(JSON.stringify([address, bytes, etag]))
    .digest('hex')}`;

/** Undefined where Lifeboat cannot reach it: only S3 is. */
const placeOf = (address: string): { readonly place: string; readonly key: string } | undefined => {
  const [, place, key] = /^(s3:\/\/[^/]+)\/(.+)$/s.exec(address) ?? [];
  return place === undefined || key === undefined ? undefined : { place, key };
};

const opener = (open: OpenPlace): OpenPlace => {
  const known = new Map<string, Promise<Objects>>();
  return (url) => {
    const opened = known.get(url) ?? open(url);
    known.set(url, opened);
    return opened;
  };
};

export interface ExternalCopies {
  readonly copied: number;
  readonly bytes: number;
  /** How many were looked at, from the first on; all of them when there was time. */
  readonly at: number;
}

/** Copies into the pool what is still where it was imported from, and as it was then, from number `from` on. */
export const copyExternal = async (
  pool: Objects,
  open: OpenPlace,
  externals: readonly External[],
  from: number,
  budget: Budget,
): Promise<ExternalCopies> => {
  const openOnce = opener(open);
  const items = keyed(externals).slice(from);
  const done = { copied: 0, bytes: 0 };
  const copy = async ({ key, external }: Keyed): Promise<void> => {
    const at = placeOf(external.address);
    if (at === undefined) return;
    const objects = await openOnce(at.place);
    const found = await objects.head(at.key);
    if (found === undefined || isOther(external, found)) return;
    if (!(await pool.copyFrom(key, { objects, key: at.key, bytes: external.bytes }, budget.signal))) return;
    done.copied += 1;
    done.bytes += external.bytes;
  };
  let seen = 0;
  let round: Keyed[] = [];
  for await (const { item, found } of lookUp(pool, items)) {
    if (found === undefined) round.push(item);
    seen += 1;
    if (round.length < COPIES_AT_ONCE) continue;
    await Promise.all(round.map(copy));
    round = [];
    if (budget.remaining() <= 0) return { ...done, at: from + seen };
  }
  await Promise.all(round.map(copy));
  return { ...done, at: from + seen };
};

interface Keyed extends Item {
  readonly external: External;
}

const keyed = (externals: readonly External[]): Keyed[] =>
  externals
    .map((external) => ({ key: externalKey(external), bytes: external.bytes, external }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));

/** The storage's own ETag then and now, whatever it is made of. */
const isOther = ({ bytes, etag }: External, found: { readonly bytes: number; readonly etag: string }): boolean =>
  found.bytes !== bytes || (etag !== '' && found.etag.replaceAll('"', '') !== etag.replaceAll('"', ''));

/** Which of them the pool has, by key. */
export const inPool = async (pool: Objects, externals: readonly External[]): Promise<ReadonlySet<string>> => {
  const there = new Set<string>();
  for await (const { item, found } of lookUp(pool, keyed(externals))) if (found?.bytes === item.bytes) there.add(item.key);
  return there;
};

/** Puts copies back to where they were imported from, where nothing is now; answers how many lines it has done. */
export const putBack = async (
  input: { readonly segment: Segment; readonly read: SegmentSource; readonly pool: Objects; readonly open: OpenPlace },
  from: number,
  budget: Budget,
): Promise<{ readonly lines: number; readonly put: number; readonly complete: boolean }> => {
  const openOnce = opener(input.open);
  let [lines, put] = [0, 0];
  let round: { readonly address: string; readonly bytes: number; readonly key: string }[] = [];
  const putAll = async (): Promise<void> => {
    await Promise.all(
      round.map(async ({ address, bytes, key }) => {
        const at = placeOf(address);
        if (at === undefined) throw new LifeboatError('ManifestInvalid', `no copy can have been made of ${address}`);
        const objects = await openOnce(at.place);
        if (await objects.copyFrom(at.key, { objects: input.pool, key, bytes }, budget.signal)) put += 1;
      }),
    );
    round = [];
  };
  for await (const line of readLines(input.read, input.segment)) {
    if (lines++ < from) continue;
    const { address, bytes, key } = ExternalLineSchema.parse(line);
    if (key !== undefined) round.push({ address, bytes, key });
    if (round.length < COPIES_AT_ONCE) continue;
    await putAll();
    if (budget.remaining() <= 0) return { lines, put, complete: false };
  }
  await putAll();
  return { lines, put, complete: true };
};
