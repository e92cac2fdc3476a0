import { TRASH_INODE, TYPE } from '../model.ts';
import { bytesOf, listOfReplies, numberOf, type RedisSession, type Reply } from './redis.ts';
import { EDGE_BYTES, type StoredAttr } from './redis-attr.ts';
import { spaceOf, type Tally } from './redis-audit.ts';
import { type Nodes, readNodes } from './redis-nodes.ts';
import { scanHash } from './redis-scan.ts';

/** Names that are read at once: of several folders, or of one with more. */
const NAMES_MAX = 20_000;

export interface FolderSums {
  readonly space: bigint;
  readonly inodes: bigint;
}

interface Folder {
  readonly inode: bigint;
  readonly links: number;
  length: bigint;
  space: bigint;
  inodes: bigint;
  folders: number;
}

export interface AuditedFolders {
  /** What lies directly in each folder. */
  readonly sums: ReadonlyMap<bigint, FolderSums>;
  /** A large folder was told in pieces, and some of it twice. */
  readonly doubled: boolean;
}

/** Reads what folders hold, and compares it with what stands beside them: their links and statistics. */
export const auditFolders = async (session: RedisSession, tally: Tally, nodes: Nodes): Promise<AuditedFolders> => {
  const folders = [...nodes.values()].filter(({ attr }) => attr.type === TYPE.directory).map(folderOf);
  const lengths = await session.pipeline(folders.map(({ inode }) => ['HLEN', `${session.prefix}d${inode}`] as const));
  let doubled = false;
  let group: Folder[] = [];
  let names = 0;
  const read = async (): Promise<void> => {
    const replies = await session.pipeline(group.map(({ inode }) => ['HVALS', `${session.prefix}d${inode}`] as const));
    await addNames(session, tally, new Map(group.map((folder, i) => [folder, listOfReplies(replies[i])])));
    group = [];
    names = 0;
  };
  for (const [i, folder] of folders.entries()) {
    const length = Number(numberOf(lengths[i]));
    if (length > NAMES_MAX) {
      let seen = 0;
      for await (const pairs of scanHash(session, `d${folder.inode}`)) {
        seen += pairs.length;
        await addNames(session, tally, new Map([[folder, pairs.map(([, edge]) => edge)]]));
      }
      doubled ||= seen !== length;
      continue;
    }
    if (names + length > NAMES_MAX) await read();
    group.push(folder);
    names += length;
  }
  await read();
  await compare(session, tally, folders);
  return { sums: new Map(folders.map((folder) => [folder.inode, folder])), doubled };
};

const folderOf = ({ attr }: StoredAttr): Folder => ({
  inode: attr.inode,
  links: attr.nlink,
  length: 0n,
  space: 0n,
  inodes: 0n,
  folders: 0,
});

const addNames = async (session: RedisSession, tally: Tally, read: ReadonlyMap<Folder, readonly Reply[]>): Promise<void> => {
  const edges = [...read].map(([folder, values]) => ({
    folder,
    children: values.flatMap((value) => {
      const edge = bytesOf(value);
      return edge === undefined || edge.length < EDGE_BYTES ? [] : [{ type: edge.readUInt8(0), inode: edge.readBigUInt64BE(1) }];
    }),
  }));
  const nodes = await readNodes(
    session,
    edges.flatMap(({ children }) => children.map(({ inode }) => inode)),
  );
  for (const { folder, children } of edges)
    for (const { type, inode } of children) {
      if (type === TYPE.directory) folder.folders += 1;
      const node = nodes.get(inode);
      if (node === undefined) tally.flaw('names without an inode');
      else addName(tally, folder, type, node);
    }
};

/** The side of the names in the balances. */
const addName = ({ flaw, balances }: Tally, folder: Folder, type: number, node: StoredAttr): void => {
  const { attr, parent } = node;
  if (attr.type !== type) flaw('types that differ between name and inode');
  folder.inodes += 1n;
  folder.space += spaceOf(node);
  if (attr.type === TYPE.regular) folder.length += attr.length;
  if (attr.type === TYPE.directory) {
    if (parent !== folder.inode) flaw('parents that are not those of the name');
    balances.folders.add(attr.inode, 0n, 1n);
    return;
  }
  balances.files.add(attr.inode, 0n, 1n);
  if (attr.nlink === 1) {
    balances.single.add(attr.inode, 0n, 1n);
    if (parent !== folder.inode) flaw('parents that are not those of the name');
  } else balances.parents.add(attr.inode, folder.inode, 1n);
};

const compare = async (session: RedisSession, { flaw }: Tally, folders: readonly Folder[]): Promise<void> => {
  if (folders.length === 0) return;
  const fields = folders.map(({ inode }) => String(inode));
  const [lengths, spaces, counts] = (
    await session.pipeline(
      ['dirDataLength', 'dirUsedSpace', 'dirUsedInodes'].map((name) => ['HMGET', session.prefix + name, ...fields] as const),
    )
  ).map(listOfReplies);
  for (const [i, folder] of folders.entries()) {
    const stored = [lengths?.[i], spaces?.[i], counts?.[i]];
    const found = [folder.length, folder.space, folder.inodes];
    // A field that is missing is no 0.
    if (stored.some((value, which) => bytesOf(value) === undefined || numberOf(value) !== found[which]))
      flaw('directories whose statistics differ');
    if (folder.inode < TRASH_INODE && folder.links !== 2 + folder.folders) flaw('links of directories that are not counted');
  }
};
