import { createHash } from 'node:crypto';
import { maskedCrc32c } from '../../src/sources/lakefs/sst/crc32c.ts';
import { openTableId } from '../../src/sources/lakefs/sst/ident.ts';

/** Writes metadata files of lakeFS: what the readers read, from rows. For tests and for the server in this folder. */

export interface Row {
  readonly key: Buffer;
  readonly value: Buffer;
}

export interface Written {
  readonly id: string;
  readonly file: Buffer;
}

const BLOCK_BYTES = 4096;
const RESTART_EVERY = 16;
const MAGIC = Buffer.from('f7cff485b741e288', 'hex');

export const uvarint = (value: number): Buffer => {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    bytes.push(rest >= 128 ? (rest % 128) + 128 : rest);
    if (rest < 128) return Buffer.from(bytes);
  }
};

/** Rows must be sorted by key. Uncompressed or, with `literal`, Snappy of literals alone. */
export const writeTable = (
  rows: readonly Row[],
  own: Readonly<Record<string, string>>,
  options: { twoLevels?: boolean; snappy?: boolean } = {},
): Written => {
  const parts: Buffer[] = [];
  let offset = 0;
  const addBlock = (raw: Buffer): Buffer => {
    const body = options.snappy === true ? literalSnappy(raw) : raw;
    const block = Buffer.concat([body, Buffer.of(options.snappy === true ? 1 : 0)]);
    const sum = Buffer.alloc(4);
    sum.writeUInt32LE(maskedCrc32c(block));
    parts.push(block, sum);
    const handle = Buffer.concat([uvarint(offset), uvarint(body.length)]);
    offset += block.length + 4;
    return handle;
  };
  const leaves: Row[] = [];
  let open: Row[] = [];
  let bytes = 0;
  const close = (): void => {
    const last = open.at(-1);
    if (last === undefined) return;
    leaves.push({ key: internal(last.key), value: addBlock(block(open.map(({ key, value }) => ({ key: internal(key), value })))) });
    open = [];
    bytes = 0;
  };
  const id = openTableId();
  for (const row of rows) {
    id.add(row.key, row.value);
    open.push(row);
    bytes += row.key.length + row.value.length;
    if (bytes >= BLOCK_BYTES) close();
  }
  close();
  const index = options.twoLevels === true ? leaves.map((leaf) => ({ key: leaf.key, value: addBlock(block([leaf])) })) : leaves;
  const indexHandle = addBlock(block(index));
  const kind = Buffer.alloc(4);
  kind.writeUInt32LE(options.twoLevels === true ? 2 : 0);
  const properties = new Map(Object.entries(own).map(([key, value]): [string, Buffer] => [key, Buffer.from(value)]));
  properties.set('rocksdb.block.based.table.index.type', kind);
  const sorted = [...properties].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => ({ key: Buffer.from(key), value }));
  const propertiesHandle = addBlock(block(sorted));
  const metaHandle = addBlock(block([{ key: Buffer.from('rocksdb.properties'), value: propertiesHandle }]));
  const footer = Buffer.alloc(53);
  Buffer.concat([Buffer.of(1), metaHandle, indexHandle]).copy(footer);
  footer.writeUInt32LE(2, 41);
  MAGIC.copy(footer, 45);
  return { id: id.end(properties), file: Buffer.concat([...parts, footer]) };
};

const internal = (key: Buffer): Buffer => Buffer.concat([key, Buffer.alloc(8)]);

const block = (rows: readonly Row[]): Buffer => {
  const parts: Buffer[] = [];
  const restarts: number[] = [];
  let [at, before] = [0, Buffer.alloc(0)];
  for (const [n, { key, value }] of rows.entries()) {
    let shared = 0;
    if (n % RESTART_EVERY === 0) restarts.push(at);
    else while (shared < key.length && shared < before.length && key[shared] === before[shared]) shared++;
    const entry = Buffer.concat([uvarint(shared), uvarint(key.length - shared), uvarint(value.length), key.subarray(shared), value]);
    parts.push(entry);
    at += entry.length;
    before = Buffer.from(key);
  }
  const tail = Buffer.alloc(4 * restarts.length + 4);
  for (const [n, restart] of restarts.entries()) tail.writeUInt32LE(restart, 4 * n);
  tail.writeUInt32LE(restarts.length, 4 * restarts.length);
  return Buffer.concat([...parts, tail]);
};

const literalSnappy = (raw: Buffer): Buffer => {
  const parts = [uvarint(raw.length)];
  for (let at = 0; at < raw.length; at += 65536) {
    const piece = raw.subarray(at, at + 65536);
    const head = Buffer.of(61 << 2, 0, 0);
    head.writeUInt16LE(piece.length - 1, 1);
    parts.push(head, piece);
  }
  return Buffer.concat(parts);
};

// Records.

const field = (number: number, wire: 0 | 2, body: Buffer): Buffer =>
  Buffer.concat([uvarint(number * 8 + wire), ...(wire === 2 ? [uvarint(body.length)] : []), body]);
const text = (number: number, value: string): Buffer => (value === '' ? Buffer.alloc(0) : field(number, 2, Buffer.from(value)));
const int = (number: number, value: number): Buffer => (value === 0 ? Buffer.alloc(0) : field(number, 0, uvarint(value)));
const time = (number: number, seconds: number, nanos = 0): Buffer => field(number, 2, Buffer.concat([int(1, seconds), int(2, nanos)]));
const map = (number: number, values: Readonly<Record<string, string>>): Buffer =>
  Buffer.concat(Object.entries(values).map(([key, value]) => field(number, 2, Buffer.concat([text(1, key), text(2, value)]))));

export const encodeRef = (ref: { readonly id: string; readonly commitId: string }): Buffer =>
  Buffer.concat([text(1, ref.id), text(2, ref.commitId)]);

export const encodeCommit = (commit: {
  readonly id: string;
  readonly committer: string;
  readonly message: string;
  readonly creationDate: number;
  readonly nanos?: number;
  readonly metaRangeId: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly parents: readonly string[];
  readonly version: number;
  readonly generation: number;
}): Buffer =>
  Buffer.concat([
    text(1, commit.id),
    text(2, commit.committer),
    text(3, commit.message),
    time(4, commit.creationDate, commit.nanos),
    text(5, commit.metaRangeId),
    map(6, commit.metadata),
    ...commit.parents.map((parent) => text(7, parent)),
    int(8, commit.version),
    int(9, commit.generation),
  ]);

export const encodeEntry = (entry: {
  readonly address: string;
  readonly mtime: number;
  readonly size: number;
  readonly etag: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly full?: boolean;
  readonly contentType?: string;
}): Buffer =>
  Buffer.concat([
    text(1, entry.address),
    time(2, entry.mtime),
    int(3, entry.size),
    text(4, entry.etag),
    map(5, entry.metadata ?? {}),
    int(6, entry.full === true ? 2 : 1),
    text(7, entry.contentType ?? 'application/octet-stream'),
  ]);

export const encodeRange = (range: {
  readonly minKey: Buffer;
  readonly maxKey: Buffer;
  readonly estimatedSize: number;
  readonly count: number;
}): Buffer => Buffer.concat([field(1, 2, range.minKey), field(2, 2, range.maxKey), int(3, range.estimatedSize), int(4, range.count)]);

const zigzag = (bytes: Buffer): Buffer => Buffer.concat([uvarint(bytes.length * 2), bytes]);

/** The value of a row. The identity of a ref or an entry is a hash of its record. */
export const rowValue = (data: Buffer, identity: Buffer = createHash('sha256').update(data).digest()): Buffer =>
  Buffer.concat([zigzag(identity), zigzag(data)]);

export interface Entity {
  readonly key: string;
  readonly data: Buffer;
}

/** Writes one range of rows and the metarange that names it; none, and an empty metarange, where there are no rows. */
export const writeMetaRange = (
  entities: readonly Entity[],
  own: Readonly<Record<string, string>>,
): { readonly id: string; readonly files: readonly Written[] } => {
  const rows = entities
    .map(({ key, data }) => ({ key: Buffer.from(key), value: rowValue(data) }))
    .sort((a, b) => Buffer.compare(a.key, b.key));
  const [first, last] = [rows[0], rows.at(-1)];
  const range = writeTable(rows, { ...own, type: 'ranges' });
  const named =
    first === undefined || last === undefined
      ? []
      : [
          {
            key: last.key,
            value: rowValue(
              encodeRange({ minKey: first.key, maxKey: last.key, estimatedSize: range.file.length, count: rows.length }),
              Buffer.from(range.id),
            ),
          },
        ];
  const metaRange = writeTable(named, { ...own, type: 'metaranges' });
  return { id: metaRange.id, files: named.length === 0 ? [metaRange] : [range, metaRange] };
};
