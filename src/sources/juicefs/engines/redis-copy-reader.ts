import { type Attr, CHUNK_BYTES, type Chunk, holdsChunks, SLICE_BYTES, TYPE, type Xattr } from '../model.ts';
import { bare, type Content, type Edge, type EntryDraft, type Page, type PageRequest, type Reader } from './reader.ts';
import { decodeAttr } from './redis-attr.ts';
import { type KeyCopy, unpackEdges } from './redis-copy.ts';
import { readAcls, readHead } from './redis-head.ts';
import type { Keys } from './redis-keys.ts';
import { pageOf } from './redis-pages.ts';
import type { InodeData } from './redis-records.ts';

type Row = readonly Uint8Array[];
/** Reads a volume out of the copy of its keys; closing it removes the copy. */
export const copyReader = async (copy: KeyCopy): Promise<Reader> => {
  copy.flush();
  const prepare = (sql: string) => {
    const statement = copy.database.prepare(sql);
    statement.setReturnArrays(true);
    return statement;
  };
  const folder = prepare('SELECT edges FROM folder WHERE inode = ?');
  const first = prepare('SELECT name, value FROM edge WHERE parent = ? ORDER BY name LIMIT ?');
  const later = prepare('SELECT name, value FROM edge WHERE parent = ? AND name > ? ORDER BY name LIMIT ?');
  const keys = copiedKeys(copy);
  const acls = await readAcls(keys);
  /** The last folder of which there was more than a page. */
  let wide: { readonly directory: bigint; readonly edges: readonly Edge[] } | undefined;

  const page = (request: PageRequest): Page => {
    const { directory, after, limit } = request;
    if (wide?.directory === directory) return pageOf(wide.edges, request);
    const parent = BigInt.asIntN(64, directory);
    const packed = folder.get(parent) as unknown as Row | undefined;
    if (packed !== undefined) {
      const edges = edgesOf(unpackEdges(packed[0] as Uint8Array));
      const found = pageOf(edges, request);
      if (found.more) wide = { directory, edges };
      return found;
    }
    const rows = (after === undefined ? first.all(parent, limit) : later.all(parent, after, limit)) as unknown as readonly Row[];
    return { edges: edgesOf(rows.flat().map(bufferOf)), more: rows.length >= limit };
  };

  /** Undefined where its node is missing. */
  const entryOf = ({ name, inode }: Edge): EntryDraft | undefined => {
    const data = copy.inode(inode);
    if (data?.attr === undefined) return undefined;
    const { attr, accessAcl, defaultAcl } = decodeAttr(inode, data.attr);
    const draft: EntryDraft = { name, attr };
    if (attr.type === TYPE.symlink && data.symlink !== undefined) draft.symlink = data.symlink;
    if (data.xattrs !== undefined && data.xattrs.length > 0) draft.xattrs = xattrsOf(data.xattrs);
    const access = accessAcl === 0 ? undefined : acls.get(accessAcl);
    const fallback = defaultAcl === 0 ? undefined : acls.get(defaultAcl);
    if (access !== undefined) draft.accessAcl = access;
    if (fallback !== undefined) draft.defaultAcl = fallback;
    const chunks = holdsChunks(attr) ? chunksOf(attr, data) : [];
    if (chunks.length > 0) draft.chunks = chunks;
    return draft;
  };

  return {
    local: true,
    head: () => readHead(keys),
    entries: async (requests) =>
      requests.map((request) => {
        const { edges, more } = page(request);
        return { entries: edges.map((edge) => entryOf(edge) ?? { name: edge.name, attr: bare(edge) }), more };
      }),
    pages: async (requests) => requests.map(page),
    async contents(edges) {
      const found = new Map<bigint, Content>();
      for (const edge of edges) {
        const entry = entryOf({ ...edge, name: NO_NAME });
        if (entry === undefined) continue;
        const { name: _, ...content } = entry;
        found.set(edge.inode, content);
      }
      return found;
    },
    close: async () => copy.close(),
  };
};

const NO_NAME = new Uint8Array();

const bufferOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const edgesOf = (items: readonly Buffer[]): Edge[] => {
  const edges: Edge[] = [];
  for (let i = 0; i + 1 < items.length; i += 2) {
    const value = items[i + 1] as Buffer;
    edges.push({ name: items[i] as Buffer, type: value[0] as number, inode: value.readBigUInt64BE(1) });
  }
  return edges;
};

const xattrsOf = (items: readonly Buffer[]): readonly Xattr[] => {
  const found = new Map<string, Xattr>();
  for (let i = 0; i + 1 < items.length; i += 2) {
    const name = items[i] as Buffer;
    found.set(name.toString('latin1'), { name, value: items[i + 1] as Buffer });
  }
  return [...found.values()].sort((a, b) => Buffer.compare(a.name, b.name));
};

/** Chunks beyond the end stay behind when a file is cut. */
const chunksOf = (attr: Attr, { chunks = [] }: InodeData): readonly Chunk[] => {
  const found = chunks.filter(({ index, slices }) => slices.length >= SLICE_BYTES && BigInt(index) * CHUNK_BYTES < attr.length);
  return found.length < 2 ? found : found.sort((a, b) => a.index - b.index);
};

const copiedKeys = ({ database }: KeyCopy): Keys => {
  const statement = database.prepare('SELECT field, value FROM other WHERE key = ? ORDER BY field');
  const pairs = (name: string): readonly (readonly [Buffer, Buffer])[] =>
    statement.all(name).map((row) => [bufferOf(row['field'] as Uint8Array), bufferOf(row['value'] as Uint8Array)] as const);
  return {
    strings: async (names) => names.map((name) => pairs(name)[0]?.[1]),
    hash: async (name) => pairs(name),
    sorted: async (name) => pairs(name),
    sets: async (names) => names.map((name) => pairs(name).map(([member]) => member)),
  };
};
