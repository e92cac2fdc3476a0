import { createHash, hash } from 'node:crypto';
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
  const parents = hash(
    'sha256',
    Buffer.concat([Buffer.of(STRINGS), int64(commit.parents.length), ...commit.parents.map(string)]),
    'buffer',
  );
  const said = [
    COMMIT,
    string(commit.committer),
    string(commit.message),
    string(commit.metaRangeId),
    int64(commit.creationDate),
    map(Object.entries(commit.metadata)),
    IDENTIFIABLE_BYTES,
    int64(parents.length),
    parents,
  ];
  return hash('sha256', Buffer.concat(said), 'hex');
};

/** Adds up the id of a table while its rows are read once: sha256 over lengths, keys, values and properties. */
export const openTableId = (): { add(key: Buffer, value: Buffer): void; end(properties: Table['properties']): string } => {
  const sha = createHash('sha256');
  const gathered = Buffer.allocUnsafe(GATHER_BYTES);
  let filled = 0;
  const flush = (): void => {
    sha.update(gathered.subarray(0, filled));
    filled = 0;
  };
  const part = (bytes: Buffer): void => {
    if (filled + bytes.length + 24 > GATHER_BYTES) flush();
    filled = writeDecimal(gathered, filled, bytes.length);
    if (filled + bytes.length + 1 > GATHER_BYTES) {
      flush();
      sha.update(bytes);
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
      return sha.update(map(own.map(([name, value]) => [name, value.toString('utf8')]))).digest('hex');
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
  const bytes = Buffer.allocUnsafe(10);
  writeInt64(bytes, 0, value);
  return bytes;
};

const writeInt64 = (into: Buffer, at: number, value: number): void => {
  into[at] = INT64;
  into[at + 1] = 8;
  into.writeInt32BE(Math.floor(value / 2 ** 32), at + 2);
  into.writeUInt32BE(value - Math.floor(value / 2 ** 32) * 2 ** 32, at + 6);
};

const string = (text: string): Buffer => {
  const bytes = Buffer.byteLength(text, 'utf8');
  const said = Buffer.allocUnsafe(1 + 10 + bytes);
  said[0] = STRING;
  writeInt64(said, 1, bytes);
  said.write(text, 11, 'utf8');
  return said;
};

const map = (entries: readonly (readonly [string, string])[]): Buffer => {
  const sorted = entries.length < 2 ? entries : [...entries].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return Buffer.concat([Buffer.of(MAP), int64(sorted.length), ...sorted.flatMap(([key, value]) => [string(key), string(value)])]);
};

const COMMIT = string('commit:v1');
const IDENTIFIABLE_BYTES = Buffer.of(IDENTIFIABLE, BYTES);
