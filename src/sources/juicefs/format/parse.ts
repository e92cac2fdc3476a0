import { LifeboatError } from '../../../errors.ts';
import { type Attr, type Entry, isDirectory, ROOT_INODE, type Tree } from '../model.ts';
import { unescapeName } from './escape.ts';
import { parseValue, type Value } from './json.ts';
import { NAME_MAX_BYTES, readAcl, readAttr, readChunks, readXattrs, TARGET_MAX_BYTES } from './read-fields.ts';
import { quickAttr, quickChunks } from './read-quick.ts';
import { CLOSE, hasBackslash, isQuote, isSpace, OPEN, skipBetween, stringEnd, valueEnd } from './scan.ts';

/** Longest value that is held whole: the chunks of one file, the list of deleted files. In bytes. */
const VALUE_MAX_BYTES = 256 * 1024 * 1024;
/** Directories within each other; a path may have 4096 bytes. */
const DEPTH_MAX = 10_000;

/** A directory that is open where a piece of a document begins. */
export interface OpenDirectory {
  readonly inode: bigint;
}

/** Where reading begins: before the document, between its fields, or within the entries of open directories of a tree. */
export type Start =
  | { readonly at: 'document' }
  | { readonly at: 'fields' }
  | { readonly at: 'entries'; readonly tree: Tree; readonly open: readonly OpenDirectory[] };

/** What is read, in the order of the document. */
export interface Handler {
  /** A field before the trees that is known: Setting, Counters, … */
  field(name: string, value: Value): void;
  /** A tree's own directory. */
  root(tree: Tree, entry: Entry): void;
  entry(entry: Entry, parent: bigint): void;
}

export interface Parser {
  push(bytes: Uint8Array): void;
  /** Fails with ArtifactInvalid when the document, or the piece of it, was cut. */
  end(): void;
}

const FIELDS = new Set(['Setting', 'Counters', 'Sustained', 'DelFiles', 'Quotas', 'UserQuotas', 'GroupQuotas']);

interface Draft {
  readonly kind: 'entry';
  readonly tree: Tree;
  readonly parent: bigint;
  told: boolean;
  inode: bigint;
  readonly entry: { -readonly [Field in keyof Entry]?: Entry[Field] } & Pick<Entry, 'name'>;
}

type Frame = { readonly kind: 'fields' } | { readonly kind: 'entries'; readonly tree: Tree; readonly inode: bigint } | Draft;

const NOTHING = Buffer.alloc(0);
/** Room for what is read, which grows while a value is longer. */
const HELD_BYTES = 512 * 1024;

/** Reads a dump as it streams by. Unknown keys are skipped whatever they hold. */
export const openParser = (start: Start, handler: Handler): Parser => {
  /** What is not read yet begins it. Nothing that is told lies in it, so that it serves again. */
  let held = Buffer.allocUnsafe(HELD_BYTES);
  let end = 0;
  let wanted = 0;
  let began = start.at !== 'document';
  let done = false;
  const frames: Frame[] = began ? [{ kind: 'fields' }] : [];
  const inodes = new Set<bigint>();
  if (start.at === 'entries')
    for (const [depth, { inode }] of start.open.entries()) {
      const own = depth === 0 && start.tree === 'FSTree' ? ROOT_INODE : inode;
      frames.push(opened(start.tree, own), { kind: 'entries', tree: start.tree, inode: own });
      inodes.add(own);
    }

  const tell = (draft: Draft): void => {
    if (draft.told) return;
    const { entry } = draft;
    if (!hasAttr(entry)) throw invalid(`"${shown(entry.name)}" has no attr`);
    draft.told = true;
    if (draft.parent === 0n) handler.root(draft.tree, entry);
    else handler.entry(entry, draft.parent);
  };

  const enter = (draft: Draft): void => {
    tell(draft);
    const { inode, entry } = draft;
    if (entry.attr !== undefined && !isDirectory(entry.attr)) throw invalid(`inode ${inode} has entries and is no directory`);
    if (inodes.has(inode)) throw invalid(`directory ${inode} lies within itself`);
    if (frames.length > 2 * DEPTH_MAX) throw invalid(`directories lie deeper than ${DEPTH_MAX} within each other`);
    inodes.add(inode);
    frames.push({ kind: 'entries', tree: draft.tree, inode });
  };

  const leave = (): void => {
    const frame = frames.pop();
    if (frame?.kind === 'entries') inodes.delete(frame.inode);
    if (frame?.kind === 'entry') tell(frame);
    if (frames.length === 0) done = true;
  };

  /** Reads one member of the innermost object; answers where it ended, −1 when bytes are missing. */
  const member = (bytes: Buffer, from: number, frame: Frame): number => {
    if (!isQuote(bytes[from])) throw invalid(`expected a key, found "${shown(bytes.subarray(from, from + 10))}"`);
    const keyEnd = stringEnd(bytes, from);
    if (keyEnd < 0) return -1;
    const key = bytes.subarray(from + 1, keyEnd - 1);
    let at = keyEnd;
    while (at < bytes.length && isSpace(bytes[at] as number)) at++;
    if (at >= bytes.length) return -1;
    if (bytes[at] !== 0x3a) throw invalid(`no colon after "${shown(key)}"`);
    at++;
    while (at < bytes.length && isSpace(bytes[at] as number)) at++;
    if (at >= bytes.length) return -1;
    if (frame.kind === 'entries') return object(bytes, at, key, () => frames.push(child(frame, nameOf(key))));
    const name = fieldName(key);
    if (frame.kind === 'fields') return field(bytes, at, name);
    if (name === 'entries') return object(bytes, at, key, () => enter(frame));
    const quick = quickly(frame, name, bytes, at);
    if (quick >= 0) return quick;
    const end = bounded(bytes, at);
    if (end >= 0) attribute(frame, name, bytes.subarray(at, end));
    return end;
  };

  const object = (bytes: Uint8Array, at: number, key: Uint8Array, open: () => void): number => {
    if (bytes[at] !== OPEN) throw invalid(`"${shown(key)}" is no object`);
    open();
    return at + 1;
  };

  const field = (bytes: Buffer, at: number, name: string): number => {
    if (name === 'FSTree' || name === 'Trash') return object(bytes, at, Buffer.from(name), () => frames.push(treeRoot(name)));
    const end = bounded(bytes, at);
    if (end >= 0 && FIELDS.has(name)) handler.field(name, json(bytes.subarray(at, end), name));
    return end;
  };

  const bounded = (bytes: Uint8Array, at: number): number => {
    const end = valueEnd(bytes, at);
    if ((end < 0 ? bytes.length : end) - at > VALUE_MAX_BYTES) throw invalid(`a value of more than ${VALUE_MAX_BYTES} bytes`);
    return end;
  };

  const drain = (bytes: Buffer): number => {
    let at = 0;
    for (;;) {
      at = skipBetween(bytes, at);
      if (at >= bytes.length) return at;
      if (done) throw invalid('there is more after the end of the document');
      if (!began) {
        const log = logLine(bytes, at);
        if (log === 'cut') return at;
        if (log !== undefined) {
          at = log;
          continue;
        }
        if (bytes[at] === 0) throw binary();
        if (bytes[at] !== OPEN) throw invalid('it does not begin with {');
        began = true;
        frames.push({ kind: 'fields' });
        at++;
        continue;
      }
      const frame = frames.at(-1) as Frame;
      if (bytes[at] === CLOSE) {
        leave();
        at++;
        continue;
      }
      const end = member(bytes, at, frame);
      if (end < 0) return at;
      at = end;
    }
  };

  const consume = (): void => {
    const used = drain(held.subarray(0, end));
    held.copyWithin(0, used, end);
    end -= used;
    if (held.length > HELD_BYTES && end <= HELD_BYTES / 2) held = Buffer.from(held.subarray(0, HELD_BYTES));
  };

  return {
    push(bytes) {
      if (end + bytes.length > held.length) {
        const larger = Buffer.allocUnsafe(Math.max(2 * held.length, end + bytes.length));
        held.copy(larger, 0, 0, end);
        held = larger;
      }
      held.set(bytes, end);
      end += bytes.length;
      // A value that spans pieces is looked at again only once twice as much has come.
      if (end < wanted) return;
      consume();
      wanted = end > bytes.length ? end * 2 : 0;
    },
    end() {
      wanted = 0;
      if (end > 0) consume();
      if (!began) throw invalid('it is empty');
      if (end > 0 || (start.at === 'document' && !done)) throw invalid('it is cut');
    },
  };
};

/** juicefs itself writes lines of its log before a dump of MySQL that goes to its stdout. */
const LOG = Buffer.from('[xorm] ');

/** The place after a line of the log; undefined where there is none. */
const logLine = (bytes: Buffer, at: number): number | 'cut' | undefined => {
  const begin = bytes.subarray(at, at + LOG.length);
  if (begin.compare(LOG, 0, begin.length) !== 0) return undefined;
  const end = bytes.indexOf(0x0a, at);
  return end < 0 ? 'cut' : end + 1;
};

const draft = (name: Uint8Array, tree: Tree, parent: bigint): Draft => ({
  kind: 'entry',
  tree,
  parent,
  told: false,
  inode: 0n,
  entry: { name },
});
const opened = (tree: Tree, inode: bigint): Draft => ({ ...draft(NOTHING, tree, 0n), told: true, inode });
const treeRoot = (tree: Tree): Draft => draft(NOTHING, tree, 0n);
const child = ({ tree, inode }: { readonly tree: Tree; readonly inode: bigint }, name: Uint8Array): Draft => {
  if (name.length === 0 || name.length > NAME_MAX_BYTES) throw invalid(`a name of ${name.length} bytes in directory ${inode}`);
  return draft(name, tree, inode);
};

const hasAttr = (entry: Draft['entry']): entry is Draft['entry'] & Entry => entry.attr !== undefined;

const setAttr = (draft: Draft, attr: Attr): void => {
  // The root of a dump of a folder becomes the root of the volume.
  draft.inode = draft.parent === 0n && draft.tree === 'FSTree' ? ROOT_INODE : attr.inode;
  draft.entry.attr = draft.inode === attr.inode ? attr : { ...attr, inode: draft.inode };
};

/** Of what most of a dump is; −1 where it takes more. */
const quickly = (draft: Draft, name: string, bytes: Buffer, at: number): number => {
  if (draft.told) return -1;
  if (name === 'attr') {
    const quick = quickAttr(bytes, at);
    if (quick === undefined) return -1;
    setAttr(draft, quick.read);
    return quick.end;
  }
  if (name !== 'chunks') return -1;
  const quick = quickChunks(bytes, at);
  if (quick === undefined) return -1;
  draft.entry.chunks = quick.read;
  return quick.end;
};

const FREQUENT = ['attr', 'chunks', 'entries'].map((text) => ({ text, bytes: Buffer.from(text) }));

const fieldName = (key: Buffer): string => {
  for (const { text, bytes } of FREQUENT) if (key.length === bytes.length && key[0] === bytes[0] && key.equals(bytes)) return text;
  return key.toString('latin1');
};

const attribute = (draft: Draft, name: string, bytes: Buffer): void => {
  const known = name === 'attr' || name === 'xattrs' || name === 'chunks' || name === 'symlink' || name.startsWith('posix_acl_');
  if (!known) return;
  if (draft.told) throw invalid(`${name} of inode ${draft.inode} stands after its entries`);
  if (name === 'attr') {
    setAttr(draft, readAttr(json(bytes, name)));
    return;
  }
  const { entry } = draft;
  if (name === 'symlink') {
    entry.symlink = nameOf(stringBytes(bytes));
    if (entry.symlink.length > TARGET_MAX_BYTES) throw invalid(`a symlink of ${entry.symlink.length} bytes`);
  } else if (name === 'xattrs') entry.xattrs = readXattrs(json(bytes, name));
  else if (name === 'chunks') entry.chunks = readChunks(json(bytes, name));
  else if (name === 'posix_acl_access') entry.accessAcl = readAcl(json(bytes, name));
  else if (name === 'posix_acl_default') entry.defaultAcl = readAcl(json(bytes, name));
};

const stringBytes = (bytes: Buffer): Buffer => {
  if (isQuote(bytes[0])) return bytes.subarray(1, -1);
  throw invalid(`a symlink is no text: ${shown(bytes)}`);
};

/** What stands between the quotes, as the bytes that it means: its own ones. */
const nameOf = (raw: Buffer): Uint8Array => {
  if (!hasBackslash(raw)) return Buffer.from(unescapeName(raw));
  const text = json(Buffer.concat([Buffer.from('"'), raw, Buffer.from('"')]), 'a name');
  return unescapeName(Buffer.from(String(text), 'utf8'));
};

const json = (bytes: Buffer, what: string): Value => {
  try {
    return parseValue(what === 'attr' || what === 'chunks' ? bytes.toString('latin1') : bytes.toString('utf8'));
  } catch (cause) {
    throw new LifeboatError('ArtifactInvalid', `${what} is not JSON: ${shown(bytes)}`, { hint: HINT, cause });
  }
};

/** Its first bytes are the type of a segment, a small number of 32 bits. */
const binary = (): LifeboatError =>
  new LifeboatError('Unsupported', 'not a JSON dump: it is what `juicefs dump --binary` writes, or another file that is no text', {
    hint: 'Dump the volume without --binary.',
  });

const HINT = 'Give a JSON dump of juicefs or lifeboat, whole and unchanged.';

const invalid = (what: string): LifeboatError => new LifeboatError('ArtifactInvalid', `not a whole JuiceFS dump: ${what}`, { hint: HINT });

const shown = (bytes: Uint8Array): string =>
  Buffer.from(bytes.subarray(0, 60))
    .toString('utf8')
    .replace(/[^\x20-\x7e]/g, '?');
