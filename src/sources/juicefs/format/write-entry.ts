import type { Acl, Attr, Chunk, Entry, Xattr } from '../model.ts';
import { isDirectory, SLICE_BYTES, TYPE, TYPE_NAMES } from '../model.ts';
import { escapeName } from './escape.ts';
import { quote } from './json.ts';
import type { TextBuffer } from './text-buffer.ts';

const decoder = new TextDecoder();

/** Spaces before a line, by depth of its folder; made once. */
const indents: string[] = [];
export const indentOf = (spaces: number): string => (indents[spaces] ??= ' '.repeat(spaces));

/** Lines of an entry of the root stand behind six spaces, and four more for each folder further down. */
export const entryIndent = (depth: number): number => 6 + 4 * depth;

/** One file, or a folder up to the brace that opens its entries. `depth` is that of its folder: 0 in the root. */
export const writeEntry = (out: TextBuffer, entry: Entry, depth: number, first: boolean): void => {
  const spaces = entryIndent(depth);
  const indent = indentOf(spaces);
  out.ascii(first ? `\n${indent}"` : `,\n${indent}"`);
  out.bytes(escapeName(entry.name));
  out.ascii('": {\n');
  writeFields(out, entry, indentOf(spaces + 2));
  out.ascii(isDirectory(entry.attr) ? `,\n${indentOf(spaces + 2)}"entries": {` : `\n${indent}}`);
};

/** Ends a folder that `writeEntry` opened at the same depth. */
export const closeEntry = (out: TextBuffer, depth: number): void => {
  const spaces = entryIndent(depth);
  out.ascii(`\n${indentOf(spaces + 2)}}\n${indentOf(spaces)}}`);
};

/** A tree up to the brace that opens its entries. */
export const writeTree = (out: TextBuffer, name: string, root: Entry): void => {
  out.ascii(`  "${name}": {\n`);
  writeFields(out, root, '    ');
  out.ascii(',\n    "entries": {');
};

export const TREE_END = '\n    }\n  }';
export const BETWEEN_TREES = ',\n';
export const DOCUMENT_END = '\n}\n';

const writeFields = (out: TextBuffer, entry: Entry, indent: string): void => {
  out.ascii(`${indent}"attr": ${attrText(entry.attr)}`);
  if (entry.symlink !== undefined && entry.symlink.length > 0 && !isDirectory(entry.attr)) {
    out.ascii(`,\n${indent}"symlink": "`);
    out.bytes(escapeName(entry.symlink));
    out.ascii('"');
  }
  if (entry.xattrs !== undefined && entry.xattrs.length > 0) out.utf8(`,\n${indent}"xattrs": [${entry.xattrs.map(xattrText).join(',')}]`);
  if (entry.accessAcl !== undefined) out.ascii(`,\n${indent}"posix_acl_access": ${aclText(entry.accessAcl)}`);
  if (entry.defaultAcl !== undefined) out.ascii(`,\n${indent}"posix_acl_default": ${aclText(entry.defaultAcl)}`);
  if (entry.chunks !== undefined && entry.chunks.length > 0 && !isDirectory(entry.attr)) writeChunks(out, entry.chunks, indent);
};

const attrText = (attr: Attr): string => {
  const flags = attr.flags === 0 ? '' : `,"flags":${attr.flags}`;
  const atimensec = attr.atimensec === 0 ? '' : `,"atimensec":${attr.atimensec}`;
  const mtimensec = attr.mtimensec === 0 ? '' : `,"mtimensec":${attr.mtimensec}`;
  const ctimensec = attr.ctimensec === 0 ? '' : `,"ctimensec":${attr.ctimensec}`;
  const rdev = attr.rdev === 0 ? '' : `,"rdev":${attr.rdev}`;
  const tier = attr.tier === 0 ? '' : `,"tier":${attr.tier}`;
  const length = attr.type === TYPE.regular ? attr.length : 0;
  return (
    `{"inode":${attr.inode}${flags},"type":"${TYPE_NAMES[attr.type] ?? TYPE_NAMES[0]}","mode":${attr.mode},"uid":${attr.uid},"gid":${attr.gid}` +
    `,"atime":${attr.atime},"mtime":${attr.mtime},"ctime":${attr.ctime}${atimensec}${mtimensec}${ctimensec}` +
    `,"nlink":${attr.nlink},"length":${length}${rdev}${tier}}`
  );
};

/** The name stands as JSON has it, the value escaped. */
const xattrText = ({ name, value }: Xattr): string =>
  `{"name":${quote(decoder.decode(name))},"value":${quote(decoder.decode(escapeName(value)))}}`;

const aclText = ({ owner, group, other, mask, users, groups }: Acl): string =>
  `{"owner":${owner},"group":${group},"other":${other},"mask":${mask},"users":${aclEntries(users)},"groups":${aclEntries(groups)}}`;

const aclEntries = (entries: Acl['users']): string =>
  entries.length === 0 ? 'null' : `[${entries.map(({ id, perm }) => `{"id":${id},"perm":${perm}}`).join(',')}]`;

/** One chunk on the line of its key, several on a line each. */
const writeChunks = (out: TextBuffer, chunks: readonly Chunk[], indent: string): void => {
  const [only] = chunks;
  if (chunks.length === 1 && only !== undefined) {
    out.ascii(`,\n${indent}"chunks": [${chunkText(only)}]`);
    return;
  }
  out.ascii(`,\n${indent}"chunks": [`);
  for (const [i, chunk] of chunks.entries()) out.ascii(`${i === 0 ? '' : ','}\n${indent}  ${chunkText(chunk)}`);
  out.ascii(`\n${indent}]`);
};

const chunkText = ({ index, slices }: Chunk): string => {
  const view = new DataView(slices.buffer, slices.byteOffset, slices.byteLength);
  const texts: string[] = [];
  for (let at = 0; at + SLICE_BYTES <= slices.length; at += SLICE_BYTES) texts.push(sliceText(view, at));
  return `{"index":${index},"slices":[${texts.join(',')}]}`;
};

const sliceText = (view: DataView, at: number): string => {
  const pos = view.getUint32(at);
  const high = view.getUint32(at + 4);
  const id = high === 0 ? view.getUint32(at + 8) : view.getBigUint64(at + 4);
  const off = view.getUint32(at + 16);
  return `{"id":${id}${pos === 0 ? '' : `,"pos":${pos}`},"size":${view.getUint32(at + 12)}${off === 0 ? '' : `,"off":${off}`},"len":${view.getUint32(at + 20)}}`;
};
