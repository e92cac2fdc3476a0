import { rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { LifeboatError } from '../../../errors.ts';
import type { Piece } from '../rdb/read.ts';
import { EDGE_BYTES } from './redis-attr.ts';
import { COUNTERS } from './redis-head.ts';
import { type InodeData, openRecords } from './redis-records.ts';

/** Of pages of the copy; what else is read of it stays in the system's own cache. */
const CACHE_KIB = 4 * 1024;

/**
 * A folder whose hash came in one piece is one row of `folder`, its names in order; the names of a larger one are a row each in `edge`,
 * which sorts them and has them in pages.
 */
const TABLES = `
CREATE TABLE folder (inode INTEGER PRIMARY KEY, edges BLOB NOT NULL);
CREATE TABLE edge (parent INTEGER NOT NULL, name BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (parent, name)) WITHOUT ROWID;
CREATE TABLE other (key TEXT NOT NULL, field BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (key, field)) WITHOUT ROWID;
`;

/** Names of a folder that is one row. */
const FOLDER_NAMES_MAX = 10_000;

type Value = Pick<Piece, 'kind' | 'part' | 'items'>;

/** The keys of a volume in a file of this machine, as they were at one instant. */
export interface KeyCopy {
  readonly database: DatabaseSync;
  /** Adds a key, or a piece of it: the first replaces what the key had. Names are without prefix. */
  put(name: string, value: Value): void;
  /** Forgets a key, which may not be there. */
  remove(name: string): void;
  /** To be called before anything is read. */
  flush(): void;
  inode(inode: bigint): InodeData | undefined;
  close(): void;
}

/** Keys that a dump needs and that are not of one inode. */
const OTHER = new Set<string>([
  'setting',
  'acl',
  'allSessions',
  'sessions',
  'delfiles',
  'dirQuota',
  'userQuota',
  'groupQuota',
  ...COUNTERS,
]);

const LETTERS = 'idcxs';
const NAME = /^(?:[idxs]\d{1,20}|c\d{1,20}_\d{1,10})$/;

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;

/** By its name; of a key that a dump needs. */
export const isOfInode = (name: string): boolean => isDigit(name.charCodeAt(1));

/** Whether a dump needs a key, by its name without prefix: statistics, references, locks and the log are not in it. */
export const isNeeded = (name: string): boolean =>
  isOfInode(name) ? LETTERS.includes(name.charAt(0)) && NAME.test(name) : OTHER.has(name) || /^session\d+$/.test(name);

const NO_FIELD = Buffer.alloc(0);

/** Keys of other kinds than those that juicefs writes fail with SourceProblem. */
export const openCopy = (path: string): KeyCopy => {
  const database = new DatabaseSync(path);
  // Nothing here outlives its process, so nothing has to be safe on a disk.
  database.exec(
    `PRAGMA page_size = 8192; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -${CACHE_KIB}; ${TABLES} BEGIN`,
  );
  // It goes with its process, however that ends.
  rmSync(path);
  const records = openRecords(database);
  const insertFolder = database.prepare('INSERT OR REPLACE INTO folder VALUES (?, ?)');
  const insertEdge = database.prepare('INSERT OR REPLACE INTO edge VALUES (?, ?, ?)');
  const insertOther = database.prepare('INSERT OR REPLACE INTO other VALUES (?, ?, ?)');
  const eraseFolder = database.prepare('DELETE FROM folder WHERE inode = ?');
  const eraseEdges = database.prepare('DELETE FROM edge WHERE parent = ?');
  const eraseOther = database.prepare('DELETE FROM other WHERE key = ?');

  const putFolder = (inode: bigint, part: number, items: readonly Buffer[]): void => {
    const key = BigInt.asIntN(64, inode);
    const whole = part === 0 && items.length <= 2 * FOLDER_NAMES_MAX;
    if (whole) {
      insertFolder.run(key, packEdges(items));
      return;
    }
    // The first piece of a large one may have been taken for all of it.
    for (const all of part === 1 ? [unpackFolder(database, key), items] : [items])
      for (let i = 0; i + 1 < all.length; i += 2) insertEdge.run(key, all[i] as Buffer, all[i + 1] as Buffer);
    if (part === 1) eraseFolder.run(key);
  };

  const putOfInode = ({ letter, inode, index }: ParsedName, name: string, { kind, part, items }: Value): void => {
    if (kind !== KIND_OF[letter])
      throw new LifeboatError('SourceProblem', `the key ${name.slice(0, 60)} is a ${kind}: not as juicefs writes it`, {
        hint: 'Name the number of the database that holds the volume.',
      });
    const parts = letter === 'c' && items.length > 1 ? [Buffer.concat(items)] : items;
    if (letter === 'd') putFolder(inode, part, items);
    else records.add(inode, letter, index, part === 0 ? 'replace' : 'append', parts);
  };

  return {
    database,
    put(name, value) {
      const parsed = isOfInode(name) ? parseName(name) : undefined;
      if (parsed !== undefined) return putOfInode(parsed, name, value);
      const { kind, items } = value;
      if (kind === 'hash' || kind === 'zset')
        for (let i = 0; i + 1 < items.length; i += 2) insertOther.run(name, items[i] as Buffer, items[i + 1] as Buffer);
      else if (kind === 'set') for (const member of items) insertOther.run(name, member, NO_FIELD);
      else insertOther.run(name, NO_FIELD, items[0] ?? NO_FIELD);
    },
    remove(name) {
      const parsed = parseName(name);
      if (parsed === undefined) eraseOther.run(name);
      else if (parsed.letter === 'd') {
        eraseFolder.run(BigInt.asIntN(64, parsed.inode));
        eraseEdges.run(BigInt.asIntN(64, parsed.inode));
      } else records.add(parsed.inode, parsed.letter, parsed.index, 'remove', []);
    },
    flush: () => records.flush(),
    inode: (inode) => records.read(inode),
    close: () => database.close(),
  };
};

const KIND_OF = { i: 'string', s: 'string', d: 'hash', x: 'hash', c: 'list' } as const;

/** Name behind its length u16, and the nine bytes of its edge, by the bytes of the names. What juicefs would not read is left out. */
const packEdges = (items: readonly Buffer[]): Buffer => {
  const edges: number[] = [];
  let bytes = 0;
  for (let i = 0; i + 1 < items.length; i += 2) {
    if ((items[i + 1] as Buffer).length < EDGE_BYTES) continue;
    edges.push(i);
    bytes += 2 + (items[i] as Buffer).length + EDGE_BYTES;
  }
  edges.sort((a, b) => Buffer.compare(items[a] as Buffer, items[b] as Buffer));
  const packed = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const i of edges) {
    const name = items[i] as Buffer;
    at = packed.writeUInt16BE(name.length, at);
    packed.set(name, at);
    at += name.length;
    at += (items[i + 1] as Buffer).copy(packed, at, 0, EDGE_BYTES);
  }
  return packed;
};

/** Names and values in turn, in order of the names. */
export const unpackFolder = (database: DatabaseSync, inode: bigint): Buffer[] => {
  const row = database.prepare('SELECT edges FROM folder WHERE inode = ?').get(inode);
  return row === undefined ? [] : unpackEdges(row['edges'] as Uint8Array);
};

export const unpackEdges = (bytes: Uint8Array): Buffer[] => {
  const packed = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const items: Buffer[] = [];
  for (let at = 0; at < packed.length; ) {
    const length = packed.readUInt16BE(at);
    items.push(packed.subarray(at + 2, at + 2 + length), packed.subarray(at + 2 + length, at + 2 + length + EDGE_BYTES));
    at += 2 + length + EDGE_BYTES;
  }
  return items;
};

interface ParsedName {
  readonly letter: keyof typeof KIND_OF;
  readonly inode: bigint;
  /** Of a chunk, else 0. */
  readonly index: number;
}

const parseName = (name: string): ParsedName | undefined => {
  if (!LETTERS.includes(name.charAt(0)) || !NAME.test(name)) return undefined;
  const under = name.indexOf('_');
  return {
    letter: name.charAt(0) as ParsedName['letter'],
    inode: BigInt.asUintN(64, BigInt(under < 0 ? name.slice(1) : name.slice(1, under))),
    index: under < 0 ? 0 : Number(name.slice(under + 1)),
  };
};
