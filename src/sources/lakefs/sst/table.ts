import { invalid, type Reader, readerOf, take, uvarint, zigzagLength } from './bytes.ts';
import { maskedCrc32c } from './crc32c.ts';
import { unsnappy } from './snappy.ts';

/** The last bytes of a table in RocksDB's block-based format, and the footer that they end. */
const MAGIC = Buffer.from('f7cff485b741e288', 'hex');
const FOOTER_BYTES = 53;
/** Kind of compression and checksum behind each block. */
const TRAILER_BYTES = 5;
const CHECKSUM_CRC32C = 1;
/** Sequence number and kind behind each key of a data or index block. */
const INTERNAL_KEY_BYTES = 8;
const TWO_LEVEL_INDEX = 2;
/** Keys are paths: S3's limit is 1 KiB, lakeFS allows no more. */
const KEY_MAX_BYTES = 64 * 1024;

const COMPRESSION_NONE = 0;
const COMPRESSION_SNAPPY = 1;

/** A metarange or range of lakeFS: rows sorted by key, and properties. */
export interface Table {
  readonly properties: ReadonlyMap<string, Buffer>;
  /** Calls back for each row in order. The buffers are views, good until the next call. */
  forEach(row: (key: Buffer, value: Buffer) => void): void;
}

interface Handle {
  readonly offset: number;
  readonly length: number;
}

/** Reads a whole table from memory; every block's checksum is compared. Fails with ArtifactInvalid. */
export const openTable = (file: Buffer): Table => {
  if (file.length < FOOTER_BYTES || !file.subarray(-MAGIC.length).equals(MAGIC)) throw invalid('this is not a metadata file of lakeFS');
  const footer = file.subarray(-FOOTER_BYTES);
  if (footer[0] !== CHECKSUM_CRC32C) throw invalid(`a table with checksums of kind ${footer[0]}`);
  const handles = readerOf(footer, 1, FOOTER_BYTES - MAGIC.length - 4);
  const metaindex = handleOf(handles);
  const index = handleOf(handles);
  const properties = readProperties(file, metaindex);
  const levels = properties.get('rocksdb.block.based.table.index.type')?.readUInt32LE(0) === TWO_LEVEL_INDEX ? 2 : 1;
  return {
    properties,
    forEach: (row) => {
      const leaf = (handle: Handle): void => eachEntry(readBlock(file, handle), INTERNAL_KEY_BYTES, row);
      const below = (use: (handle: Handle) => void) => (_key: Buffer, value: Buffer) => use(handleOf(readerOf(value)));
      const visit = levels === 1 ? below(leaf) : below((handle) => eachEntry(readBlock(file, handle), INTERNAL_KEY_BYTES, below(leaf)));
      eachEntry(readBlock(file, index), INTERNAL_KEY_BYTES, visit);
    },
  };
};

const readProperties = (file: Buffer, metaindex: Handle): ReadonlyMap<string, Buffer> => {
  const properties = new Map<string, Buffer>();
  eachEntry(readBlock(file, metaindex), 0, (name, value) => {
    if (name.toString() !== 'rocksdb.properties') return;
    eachEntry(readBlock(file, handleOf(readerOf(value))), 0, (key, property) => {
      properties.set(key.toString(), Buffer.from(property));
    });
  });
  return properties;
};

const handleOf = (reader: Reader): Handle => ({ offset: uvarint(reader), length: uvarint(reader) });

const readBlock = (file: Buffer, { offset, length }: Handle): Buffer => {
  const end = offset + length;
  if (end + TRAILER_BYTES > file.length - FOOTER_BYTES) throw invalid(`a block of ${length} bytes at ${offset} lies outside of its file`);
  if (maskedCrc32c(file, offset, end + 1) !== file.readUInt32LE(end + 1)) throw invalid(`the checksum of the block at ${offset} is wrong`);
  const kind = file[end];
  const raw = file.subarray(offset, end);
  if (kind === COMPRESSION_NONE) return raw;
  if (kind === COMPRESSION_SNAPPY) return unsnappy(raw);
  throw invalid(`a block with compression of kind ${kind}`);
};

/** Keys share their beginnings with the key before: what is new is behind what stays in `key`. */
const eachEntry = (block: Buffer, suffix: number, use: (key: Buffer, value: Buffer) => void): void => {
  if (block.length < 4) throw invalid('a block without its restarts');
  const restarts = block.readUInt32LE(block.length - 4);
  const end = block.length - 4 - 4 * restarts;
  if (end < 0) throw invalid(`a block with ${restarts} restarts`);
  const reader = readerOf(block, 0, end);
  let key = Buffer.allocUnsafe(256);
  let length = 0;
  while (reader.at < end) {
    const shared = uvarint(reader);
    const fresh = uvarint(reader);
    const size = uvarint(reader);
    if (shared > length || shared + fresh > KEY_MAX_BYTES || shared + fresh < suffix) throw invalid('a key that cannot be');
    length = shared + fresh;
    if (length > key.length) key = Buffer.concat([key, Buffer.allocUnsafe(length)]);
    take(reader, fresh).copy(key, shared);
    use(key.subarray(0, length - suffix), take(reader, size));
  }
};

/** What lakeFS stores as the value of a row: the row's identity (a hash, or the id of a range) and its record. */
export const splitValue = (value: Buffer): { readonly identity: Buffer; readonly data: Buffer } => {
  const reader = readerOf(value);
  const identity = take(reader, zigzagLength(reader));
  return { identity, data: take(reader, zigzagLength(reader)) };
};
