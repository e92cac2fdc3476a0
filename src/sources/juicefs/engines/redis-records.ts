import type { DatabaseSync } from 'node:sqlite';

/**
 * What belongs to one inode, gathered in memory and put away in runs: a row of the table has the records of 64 neighbouring inodes of
 * one run, in the order in which they came. A key arrives where a hash table put it, and a row for each would cost a search in a tree.
 */
export interface InodeRecords {
  /** `replace` what the same key had, `append` to it, or `remove` it. */
  add(inode: bigint, kind: RecordKind, index: number, how: RecordAction, parts: readonly Buffer[]): void;
  /** Ends the writing; from then on all can be read. */
  flush(): void;
  read(inode: bigint): InodeData | undefined;
}

/** attr, symlink, xattrs and one chunk. */
export type RecordKind = 'i' | 's' | 'x' | 'c';
export type RecordAction = 'replace' | 'append' | 'remove';

export interface InodeData {
  attr?: Buffer;
  symlink?: Buffer;
  /** Names and values in turn. */
  xattrs?: Buffer[];
  chunks?: { readonly index: number; slices: Buffer }[];
}

/** Inodes that are stored together: they were often made together, and lie in one directory. */
const BUCKET_BITS = 6;
/** Bits of an inode that tell its bucket; each record has the whole inode. */
const LOW_BITS = 34;
/** Records of one run, and their bytes: what is held in memory. */
const RUN_RECORDS = 1 << 15;
const RUN_BYTES = 4 * 1024 * 1024;
/** Runs of a bucket lie beside each other. */
const RUNS_MAX = 1 << 20;
/** Buckets that are kept after they were read, as bytes: of objects that live for a while the collector makes much work. */
const CACHE_BUCKETS = 64;

/** inode u64, kind u8, action u8, index u32, number of parts u32, bytes of all parts u32; then each part behind its length u32. */
const HEADER_BYTES = 22;
const KINDS: readonly RecordKind[] = ['i', 's', 'x', 'c'];
const ACTIONS: readonly RecordAction[] = ['replace', 'append', 'remove'];

const bucketOf = (inode: bigint): number => Math.floor(Number(BigInt.asUintN(LOW_BITS, inode)) / (1 << BUCKET_BITS));

export const openRecords = (database: DatabaseSync): InodeRecords => {
  database.exec('CREATE TABLE bucket (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL)');
  const insert = database.prepare('INSERT INTO bucket VALUES (?, ?)');
  const select = database.prepare('SELECT bytes FROM bucket WHERE id >= ? AND id < ? ORDER BY id');
  select.setReturnArrays(true);
  let data = Buffer.allocUnsafeSlow(RUN_BYTES);
  let view = new DataView(data.buffer);
  const starts = new Float64Array(RUN_RECORDS + 1);
  /** Bucket, and below it the number of the record: sorted, they are in order of bucket and arrival. */
  const order = new Float64Array(RUN_RECORDS);
  let records = 0;
  let used = 0;
  let runs = 0;
  const cache = new Map<number, Bucket>();

  const flush = (): void => {
    if (records === 0) return;
    starts[records] = used;
    const sorted = order.subarray(0, records).sort();
    let row = Buffer.allocUnsafe(64 * 1024);
    let filled = 0;
    let bucket = Math.floor((sorted[0] as number) / RUN_RECORDS);
    const put = (): void => void insert.run(bucket * RUNS_MAX + runs, row.subarray(0, filled));
    for (const one of sorted) {
      const next = Math.floor(one / RUN_RECORDS);
      if (next !== bucket) {
        put();
        bucket = next;
        filled = 0;
      }
      const record = one - next * RUN_RECORDS;
      const from = starts[record] as number;
      const end = starts[record + 1] as number;
      if (filled + end - from > row.length) row = Buffer.concat([row.subarray(0, filled)], 2 * (filled + end - from));
      data.copy(row, filled, from, end);
      filled += end - from;
    }
    put();
    runs += 1;
    records = 0;
    used = 0;
  };

  const reserve = (bytes: number): void => {
    if (records >= RUN_RECORDS || used + bytes > data.length) flush();
    if (bytes <= data.length) return;
    data = Buffer.allocUnsafeSlow(bytes);
    view = new DataView(data.buffer);
  };

  const load = (bucket: number): Bucket => {
    const rows = select.all(bucket * RUNS_MAX, (bucket + 1) * RUNS_MAX) as unknown as readonly [Uint8Array][];
    const found = indexed(rows.length === 1 ? (rows[0] as [Uint8Array])[0] : Buffer.concat(rows.map(([row]) => row)));
    cache.set(bucket, found);
    if (cache.size > CACHE_BUCKETS) cache.delete(cache.keys().next().value as number);
    return found;
  };

  return {
    add(inode, kind, index, how, parts) {
      let bytes = HEADER_BYTES;
      for (const part of parts) bytes += 4 + part.length;
      reserve(bytes);
      starts[records] = used;
      order[records] = bucketOf(inode) * RUN_RECORDS + records;
      records += 1;
      view.setBigUint64(used, inode);
      data[used + 8] = KINDS.indexOf(kind);
      data[used + 9] = ACTIONS.indexOf(how);
      view.setUint32(used + 10, index);
      view.setUint32(used + 14, parts.length);
      view.setUint32(used + 18, bytes - HEADER_BYTES);
      used += HEADER_BYTES;
      for (const part of parts) {
        view.setUint32(used, part.length);
        data.set(part, used + 4);
        used += 4 + part.length;
      }
    },
    flush,
    read(inode) {
      const bucket = bucketOf(inode);
      return find(cache.get(bucket) ?? load(bucket), inode);
    },
  };
};

interface Bucket {
  readonly bytes: Buffer;
  readonly view: DataView;
  /** Low half of the inode and place of each record, in the order in which they came. */
  readonly index: Uint32Array;
}

const indexed = (row: Uint8Array): Bucket => {
  const view = new DataView(row.buffer, row.byteOffset, row.byteLength);
  const found: number[] = [];
  for (let at = 0; at < row.length; at += HEADER_BYTES + view.getUint32(at + 18)) found.push(view.getUint32(at + 4), at);
  return { bytes: Buffer.from(row.buffer, row.byteOffset, row.byteLength), view, index: Uint32Array.from(found) };
};

const find = (bucket: Bucket, inode: bigint): InodeData | undefined => {
  const { view, index } = bucket;
  const low = Number(BigInt.asUintN(32, inode));
  const high = Number(inode >> 32n);
  let found: InodeData | undefined;
  for (let i = 0; i < index.length; i += 2) {
    const at = index[i + 1] as number;
    if (index[i] !== low || view.getUint32(at) !== high) continue;
    found ??= {};
    apply(bucket, at, found);
  }
  return found;
};

const apply = ({ bytes, view }: Bucket, record: number, to: InodeData): void => {
  const kind = KINDS[bytes[record + 8] as number];
  const how = ACTIONS[bytes[record + 9] as number];
  const parts: Buffer[] = [];
  let at = record + HEADER_BYTES;
  for (let left = view.getUint32(record + 14); left > 0; left--) {
    const length = view.getUint32(at);
    parts.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  if (kind === 'c') applyChunk(to, view.getUint32(record + 10), how, parts);
  else if (kind === 'x') to.xattrs = how === 'append' ? [...(to.xattrs ?? []), ...parts] : parts;
  else if (how === 'remove') delete to[kind === 'i' ? 'attr' : 'symlink'];
  else to[kind === 'i' ? 'attr' : 'symlink'] = parts[0] as Buffer;
};

const applyChunk = (one: InodeData, index: number, how: RecordAction | undefined, parts: readonly Buffer[]): void => {
  one.chunks ??= [];
  const at = one.chunks.findIndex((chunk) => chunk.index === index);
  const [slices = Buffer.alloc(0)] = parts;
  const known = one.chunks[at];
  if (how === 'remove') {
    if (known !== undefined) one.chunks.splice(at, 1);
  } else if (known === undefined) one.chunks.push({ index, slices });
  else known.slices = how === 'append' ? Buffer.concat([known.slices, slices]) : slices;
};
