import { int64, invalid, type Reader, readerOf, take, uvarint } from './bytes.ts';

/** Records of lakeFS's metadata files, decoded from protobuf by hand: the fields are few, and the rows are many. */

export interface RefRecord {
  readonly id: string;
  readonly commitId: string;
}

export interface CommitRecord {
  readonly id: string;
  readonly committer: string;
  readonly message: string;
  /** Seconds since 1970; what lakeFS hashes. */
  readonly creationDate: number;
  readonly nanos: number;
  readonly metaRangeId: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly parents: readonly string[];
  readonly version: number;
  readonly generation: number;
}

export interface RangeRecord {
  readonly minKey: Buffer;
  readonly maxKey: Buffer;
  readonly estimatedSize: number;
  readonly count: number;
}

export interface EntryRecord {
  readonly address: string;
  readonly mtime: number;
  readonly size: number;
  readonly etag: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly addressType: AddressType;
  readonly contentType: string;
}

/** FULL addresses lie outside of the storage namespace: they were imported. */
export type AddressType = 'relative' | 'full';

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

type Field = (number: number, reader: Reader, wire: number) => boolean;

/** Calls `field` for each field; what it does not take is skipped. */
const eachField = (data: Buffer, field: Field): void => {
  const reader = readerOf(data);
  while (reader.at < reader.end) {
    const tag = uvarint(reader);
    const wire = tag % 8;
    if (!field(Math.floor(tag / 8), reader, wire)) skip(reader, wire);
  }
};

const skip = (reader: Reader, wire: number): void => {
  if (wire === VARINT) int64(reader);
  else if (wire === BYTES) take(reader, uvarint(reader));
  else if (wire === FIXED64) take(reader, 8);
  else if (wire === FIXED32) take(reader, 4);
  else throw invalid(`a record with a field of wire type ${wire}`);
};

const bytes = (reader: Reader, wire: number): Buffer => {
  if (wire !== BYTES) throw invalid(`a record with wire type ${wire} in place of bytes`);
  return take(reader, uvarint(reader));
};
const text = (reader: Reader, wire: number): string => bytes(reader, wire).toString('utf8');
const number = (reader: Reader, wire: number): number => {
  if (wire !== VARINT) throw invalid(`a record with wire type ${wire} in place of a number`);
  const value = Number(int64(reader));
  if (!Number.isSafeInteger(value)) throw invalid('a number of a record is out of range');
  return value;
};

const timestamp = (data: Buffer): { readonly seconds: number; readonly nanos: number } => {
  let [seconds, nanos] = [0, 0];
  eachField(data, (field, reader, wire) => {
    if (field === 1) seconds = number(reader, wire);
    else if (field === 2) nanos = number(reader, wire);
    else return false;
    return true;
  });
  return { seconds, nanos };
};

const addPair = (data: Buffer, into: [string, string][]): void => {
  let [key, value] = ['', ''];
  eachField(data, (field, reader, wire) => {
    if (field === 1) key = text(reader, wire);
    else if (field === 2) value = text(reader, wire);
    else return false;
    return true;
  });
  into.push([key, value]);
};

/** A branch or a tag. */
export const decodeRef = (data: Buffer): RefRecord => {
  let [id, commit] = ['', ''];
  eachField(data, (field, reader, wire) => {
    if (field === 1) id = text(reader, wire);
    else if (field === 2) commit = text(reader, wire);
    else return false;
    return true;
  });
  return { id, commitId: commit };
};

export const decodeCommit = (data: Buffer): CommitRecord => {
  let [id, committer, message, metaRangeId] = ['', '', '', ''];
  let [version, generation] = [0, 0];
  let date = { seconds: 0, nanos: 0 };
  const metadata: [string, string][] = [];
  const parents: string[] = [];
  eachField(data, (field, reader, wire) => {
    if (field === 1) id = text(reader, wire);
    else if (field === 2) committer = text(reader, wire);
    else if (field === 3) message = text(reader, wire);
    else if (field === 4) date = timestamp(bytes(reader, wire));
    else if (field === 5) metaRangeId = text(reader, wire);
    else if (field === 6) addPair(bytes(reader, wire), metadata);
    else if (field === 7) parents.push(text(reader, wire));
    else if (field === 8) version = number(reader, wire);
    else if (field === 9) generation = number(reader, wire);
    else return false;
    return true;
  });
  const { seconds, nanos } = date;
  return {
    id,
    committer,
    message,
    creationDate: seconds,
    nanos,
    metaRangeId,
    metadata: Object.fromEntries(metadata),
    parents,
    version,
    generation,
  };
};

export const decodeRange = (data: Buffer): RangeRecord => {
  let minKey = Buffer.alloc(0);
  let maxKey = Buffer.alloc(0);
  let [estimatedSize, count] = [0, 0];
  eachField(data, (field, reader, wire) => {
    if (field === 1) minKey = Buffer.from(bytes(reader, wire));
    else if (field === 2) maxKey = Buffer.from(bytes(reader, wire));
    else if (field === 3) estimatedSize = number(reader, wire);
    else if (field === 4) count = number(reader, wire);
    else return false;
    return true;
  });
  return { minKey, maxKey, estimatedSize, count };
};

const FULL = 2;

export const decodeEntry = (data: Buffer): EntryRecord => {
  let [address, etag, contentType] = ['', '', ''];
  let [size, kind, mtime] = [0, 0, 0];
  const metadata: [string, string][] = [];
  eachField(data, (field, reader, wire) => {
    if (field === 1) address = text(reader, wire);
    else if (field === 2) mtime = timestamp(bytes(reader, wire)).seconds;
    else if (field === 3) size = number(reader, wire);
    else if (field === 4) etag = text(reader, wire);
    else if (field === 5) addPair(bytes(reader, wire), metadata);
    else if (field === 6) kind = number(reader, wire);
    else if (field === 7) contentType = text(reader, wire);
    else return false;
    return true;
  });
  // Entries of old servers say nothing: an address with a scheme is a full one.
  const full = kind === FULL || (kind === 0 && /^[a-z][a-z0-9+.-]*:\/\//.test(address));
  return { address, mtime, size, etag, metadata: Object.fromEntries(metadata), addressType: full ? 'full' : 'relative', contentType };
};
