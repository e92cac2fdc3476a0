import type { Acl, Attr, Chunk, Entry, Xattr } from '../model.ts';
import { isDirectory, SLICE_BYTES, TYPE, TYPE_NAMES } from '../model.ts';
import { escapeName } from './escape.ts';
import { quote } from './json.ts';
import type { TextBuffer } from './text-buffer.ts';

const decoder = new TextDecoder();

/** Text that is always the same, as bytes: copying them costs a fraction of what strings cost. */
const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');

/** What surrounds an entry of a folder of some depth. */
interface Lines {
  readonly first: Uint8Array;
  readonly next: Uint8Array;
  /** From the end of its name to its inode. */
  readonly attr: Uint8Array;
  readonly symlink: Uint8Array;
  readonly xattrs: Uint8Array;
  readonly accessAcl: Uint8Array;
  readonly defaultAcl: Uint8Array;
  readonly chunks: Uint8Array;
  readonly firstChunk: Uint8Array;
  readonly nextChunk: Uint8Array;
  readonly chunksEnd: Uint8Array;
  readonly entries: Uint8Array;
  readonly entriesEnd: Uint8Array;
  readonly end: Uint8Array;
}

/** Lines of an entry of the root stand behind six spaces, and four more for each folder further down. */
export const entryIndent = (depth: number): number => 6 + 4 * depth;

const linesAt = (depth: number): Lines => {
  const indent = ' '.repeat(entryIndent(depth));
  const inner = `${indent}  `;
  const field = (name: string): Uint8Array => bytes(`,\n${inner}"${name}": `);
  return {
    first: bytes(`\n${indent}"`),
    next: bytes(`,\n${indent}"`),
    attr: bytes(`": {\n${inner}"attr": {"inode":`),
    symlink: field('symlink'),
    xattrs: field('xattrs'),
    accessAcl: field('posix_acl_access'),
    defaultAcl: field('posix_acl_default'),
    chunks: bytes(`,\n${inner}"chunks": [`),
    firstChunk: bytes(`\n${inner}  {"index":`),
    nextChunk: bytes(`,\n${inner}  {"index":`),
    chunksEnd: bytes(`\n${inner}]`),
    entries: bytes(`,\n${inner}"entries": {`),
    entriesEnd: bytes(`\n${inner}}\n${indent}}`),
    end: bytes(`\n${indent}}`),
  };
};

/** By depth, made once; a tree itself is one less deep than what is in its root. */
const known: Lines[] = [];
const linesOf = (depth: number): Lines => (known[depth + 1] ??= linesAt(depth));

/** One file, or a folder up to the brace that opens its entries. `depth` is that of its folder: 0 in the root. */
export const writeEntry = (out: TextBuffer, entry: Entry, depth: number, first: boolean): void => {
  const lines = linesOf(depth);
  out.bytes(first ? lines.first : lines.next);
  out.escaped(entry.name);
  writeFields(out, entry, lines);
  out.bytes(isDirectory(entry.attr) ? lines.entries : lines.end);
};

/** Ends a folder that `writeEntry` opened at the same depth. */
export const closeEntry = (out: TextBuffer, depth: number): void => out.bytes(linesOf(depth).entriesEnd);

/** A tree up to the brace that opens its entries. */
export const writeTree = (out: TextBuffer, name: string, root: Entry): void => {
  const lines = linesOf(-1);
  out.ascii(`  "${name}`);
  writeFields(out, root, lines);
  out.bytes(lines.entries);
};

export const TREE_END = '\n    }\n  }';
export const BETWEEN_TREES = ',\n';
export const DOCUMENT_END = '\n}\n';

const QUOTE = bytes('"');
const writeFields = (out: TextBuffer, { attr, symlink, xattrs, accessAcl, defaultAcl, chunks }: Entry, lines: Lines): void => {
  out.bytes(lines.attr);
  writeAttr(out, attr);
  if (symlink !== undefined && symlink.length > 0 && !isDirectory(attr)) {
    out.bytes(lines.symlink);
    out.bytes(QUOTE);
    out.escaped(symlink);
    out.bytes(QUOTE);
  }
  if (xattrs !== undefined && xattrs.length > 0) {
    out.bytes(lines.xattrs);
    out.utf8(`[${xattrs.map(xattrText).join(',')}]`);
  }
  if (accessAcl !== undefined) {
    out.bytes(lines.accessAcl);
    out.ascii(aclText(accessAcl));
  }
  if (defaultAcl !== undefined) {
    out.bytes(lines.defaultAcl);
    out.ascii(aclText(defaultAcl));
  }
  if (chunks !== undefined && chunks.length > 0 && !isDirectory(attr)) writeChunks(out, chunks, lines);
};

const TYPE_MODE = TYPE_NAMES.map((name) => bytes(`,"type":"${name}","mode":`));
const FIELD = {
  flags: bytes(',"flags":'),
  uid: bytes(',"uid":'),
  gid: bytes(',"gid":'),
  atime: bytes(',"atime":'),
  mtime: bytes(',"mtime":'),
  ctime: bytes(',"ctime":'),
  atimensec: bytes(',"atimensec":'),
  mtimensec: bytes(',"mtimensec":'),
  ctimensec: bytes(',"ctimensec":'),
  nlink: bytes(',"nlink":'),
  length: bytes(',"length":'),
  rdev: bytes(',"rdev":'),
  tier: bytes(',"tier":'),
  pos: bytes(',"pos":'),
  size: bytes(',"size":'),
  off: bytes(',"off":'),
  len: bytes(',"len":'),
} as const;
const BRACE = bytes('}');

/** From the inode to the closing brace. */
const writeAttr = (out: TextBuffer, attr: Attr): void => {
  out.integer(attr.inode);
  number(out, FIELD.flags, attr.flags);
  out.bytes(TYPE_MODE[attr.type] ?? (TYPE_MODE[0] as Uint8Array));
  out.integer(attr.mode);
  out.bytes(FIELD.uid);
  out.integer(attr.uid);
  out.bytes(FIELD.gid);
  out.integer(attr.gid);
  out.bytes(FIELD.atime);
  out.integer(attr.atime);
  out.bytes(FIELD.mtime);
  out.integer(attr.mtime);
  out.bytes(FIELD.ctime);
  out.integer(attr.ctime);
  number(out, FIELD.atimensec, attr.atimensec);
  number(out, FIELD.mtimensec, attr.mtimensec);
  number(out, FIELD.ctimensec, attr.ctimensec);
  out.bytes(FIELD.nlink);
  out.integer(attr.nlink);
  out.bytes(FIELD.length);
  out.integer(attr.type === TYPE.regular ? attr.length : 0);
  number(out, FIELD.rdev, attr.rdev);
  number(out, FIELD.tier, attr.tier);
  out.bytes(BRACE);
};

/** A field that is left out where it is 0. */
const number = (out: TextBuffer, name: Uint8Array, value: number): void => {
  if (value === 0) return;
  out.bytes(name);
  out.integer(value);
};

/** The name stands as JSON has it, the value escaped. */
const xattrText = ({ name, value }: Xattr): string =>
  `{"name":${quote(decoder.decode(name))},"value":${quote(decoder.decode(escapeName(value)))}}`;

const aclText = ({ owner, group, other, mask, users, groups }: Acl): string =>
  `{"owner":${owner},"group":${group},"other":${other},"mask":${mask},"users":${aclEntries(users)},"groups":${aclEntries(groups)}}`;

const aclEntries = (entries: Acl['users']): string =>
  entries.length === 0 ? 'null' : `[${entries.map(({ id, perm }) => `{"id":${id},"perm":${perm}}`).join(',')}]`;

const INDEX = bytes('{"index":');
const BRACKET = bytes(']');

/** One chunk on the line of its key, several on a line each. */
const writeChunks = (out: TextBuffer, chunks: readonly Chunk[], lines: Lines): void => {
  out.bytes(lines.chunks);
  const [only] = chunks;
  if (chunks.length === 1 && only !== undefined) {
    out.bytes(INDEX);
    writeChunk(out, only);
    out.bytes(BRACKET);
    return;
  }
  for (const [i, chunk] of chunks.entries()) {
    out.bytes(i === 0 ? lines.firstChunk : lines.nextChunk);
    writeChunk(out, chunk);
  }
  out.bytes(lines.chunksEnd);
};

const SLICES = bytes(',"slices":[');
const FIRST_SLICE = bytes('{"id":');
const NEXT_SLICE = bytes(',{"id":');
const SLICES_END = bytes(']}');

/** From its index to the closing brace. */
const writeChunk = (out: TextBuffer, { index, slices }: Chunk): void => {
  out.integer(index);
  out.bytes(SLICES);
  for (let at = 0; at + SLICE_BYTES <= slices.length; at += SLICE_BYTES) {
    out.bytes(at === 0 ? FIRST_SLICE : NEXT_SLICE);
    const high = word(slices, at + 4);
    const low = word(slices, at + 8);
    out.integer(high < WORDS_SAFE ? high * WORD + low : (BigInt(high) << 32n) | BigInt(low));
    number(out, FIELD.pos, word(slices, at));
    out.bytes(FIELD.size);
    out.integer(word(slices, at + 12));
    number(out, FIELD.off, word(slices, at + 16));
    out.bytes(FIELD.len);
    out.integer(word(slices, at + 20));
    out.bytes(BRACE);
  }
  out.bytes(SLICES_END);
};

const WORD = 2 ** 32;
/** Upper halves below this make numbers that are exact. */
const WORDS_SAFE = 2 ** 21;

/** 32 bits, most significant byte first. */
const word = (bytes: Uint8Array, at: number): number =>
  (((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)) >>> 0;
