import { createHash, type Hash } from 'node:crypto';
import { invalid } from './bytes.ts';
import type { Table } from './table.ts';

/** How lakeFS names what it hashes (its package `ident`): a byte for the kind of each value, and lengths as int64, big end first. */
const BYTES = 0;
const STRING = 1;
const INT64 = 2;
const STRINGS = 3;
const MAP = 4;
const IDENTIFIABLE = 5;

/** Properties that lakeFS computes from the rows: no part of an id. */
const COMPUTED = new Set(['min_key', 'max_key', 'count', 'estimated_size_bytes']);
const FOREIGN = /^(rocksdb|pebble)\./;

/** Rows are small: they are gathered here, so that the hash is not called for each. */
const GATHER_BYTES = 64 * 1024;

export interface CommitFields {
  readonly committer: string;
  readonly message: string;
  readonly metaRangeId: string;
  /** Seconds since 1970. */
  readonly creationDate: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly parents: readonly string[];
}

/** The id of a commit: sha256 of what it says, hex. */
export const commitId = (commit: CommitFields): string => {
  const hash = createHash('sha256');
  addString(hash, 'commit:v1');
  addString(hash, commit.committer);
  addString(hash, commit.message);
  addString(hash, commit.metaRangeId);
  hash.update(int64(commit.creationDate));
  addMap(hash, Object.entries(commit.metadata));
  const parents = createHash('sha256');
  parents.update(Buffer.of(STRINGS)).update(int64(commit.parents.length));
  for (const parent of commit.parents) addString(parents, parent);
  const id = parents.digest();
  hash.update(Buffer.of(IDENTIFIABLE, BYTES)).update(int64(id.length)).update(id);
  return hash.digest('hex');
};

/** Adds up the id of a table while its rows are read once: sha256 over lengths, keys, values and properties. */
export const openTableId = (): { add(key: Buffer, value: Buffer): void; end(properties: Table['properties']): string } => {
  const hash = createHash('sha256');
  const gathered = Buffer.allocUnsafe(GATHER_BYTES);
  let filled = 0;
  const flush = (): void => {
    hash.update(gathered.subarray(0, filled));
    filled = 0;
  };
  const part = (bytes: Buffer): void => {
    if (filled + bytes.length + 24 > GATHER_BYTES) flush();
    filled = writeDecimal(gathered, filled, bytes.length);
    if (filled + bytes.length + 1 > GATHER_BYTES) {
      flush();
      hash.update(bytes);
    } else {
      bytes.copy(gathered, filled);
      filled += bytes.length;
    }
    gathered[filled++] = 0x7c;
  };
  return {
    add(key, value) {
      part(key);
      part(value);
    },
    end(properties) {
      flush();
      const own = [...properties].filter(([name]) => !FOREIGN.test(name) && !COMPUTED.has(name));
      addMap(
        hash,
        own.map(([name, value]) => [name, value.toString('utf8')]),
      );
      return hash.digest('hex');
    },
  };
};

/** Reads a whole table and answers its id. Fails with ArtifactInvalid when that is not `expected`. */
export const checkTable = (table: Table, expected: string, row: (key: Buffer, value: Buffer) => void = () => {}): void => {
  const id = openTableId();
  table.forEach((key, value) => {
    id.add(key, value);
    row(key, value);
  });
  const found = id.end(table.properties);
  if (found !== expected) throw invalid(`the content of metadata file ${expected} has id ${found}`);
};

const writeDecimal = (into: Buffer, at: number, value: number): number => {
  let digits = 1;
  for (let power = 10; power <= value; power *= 10) digits += 1;
  let rest = value;
  for (let n = at + digits - 1; n >= at; n--) {
    into[n] = 48 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  return at + digits;
};

const int64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(10);
  bytes[0] = INT64;
  bytes[1] = 8;
  bytes.writeBigInt64BE(BigInt(value), 2);
  return bytes;
};

const addString = (hash: Hash, text: string): void => {
  const bytes = Buffer.from(text, 'utf8');
  hash.update(Buffer.of(STRING)).update(int64(bytes.length)).update(bytes);
};

const addMap = (hash: Hash, entries: readonly (readonly [string, string])[]): void => {
  const sorted = [...entries].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  hash.update(Buffer.of(MAP)).update(int64(sorted.length));
  for (const [key, value] of sorted) {
    addString(hash, key);
    addString(hash, value);
  }
};
