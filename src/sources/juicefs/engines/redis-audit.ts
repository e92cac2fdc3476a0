import { z } from 'zod';
import type { Check } from '../../../backup/types.ts';
import type { Budget } from '../../contract.ts';
import { align4K, ROOT_INODE, TRASH_INODE, TYPE } from '../model.ts';
import { atLeast, type Balance, openBalance } from './balance.ts';
import { listOfReplies, numberOf, type RedisSession } from './redis.ts';
import type { StoredAttr } from './redis-attr.ts';
import { auditFolders, type FolderSums } from './redis-audit-folders.ts';
import { type Nodes, readNodes } from './redis-nodes.ts';
import { addAbove, type ParentCache, quotasOf } from './redis-quotas.ts';
import { neverSettled, PASSES_MAX, scanPage, toldOnce } from './redis-scan.ts';

/** Flaws that one key and what it names tell. */
const FLAWS = [
  'names without an inode',
  'names without a directory',
  'types that differ between name and inode',
  'links of files that are not counted',
  'links of directories that are not counted',
  'parents that are not those of the name',
  'lengths that cannot be',
  'xattrs without an inode',
  'targets of what is no symlink',
  'access rules that are not there',
  'directories whose statistics differ',
] as const;
export type Flaw = (typeof FLAWS)[number];

/** What only all keys together tell: names against inodes, and what is used against what is stored. */
const BALANCES = ['files', 'folders', 'single', 'parents', 'below', 'inodesBelow', 'users', 'userInodes', 'groups', 'groupInodes'] as const;
type BalanceName = (typeof BALANCES)[number];

/** Where a pass over all keys stands; small, whatever it has seen. */
export const KeysSchema = z.strictObject({
  cursor: z.string(),
  /** Keys that the server told of; more than there are when it told of some twice. */
  seen: z.int(),
  /** … and those of them that are of this volume. */
  own: z.int(),
  /** Passes that were begun anew. */
  again: z.int(),
  flaws: z.record(z.string(), z.int()),
  balances: z.record(z.string(), z.string()),
  directories: z.string(),
  inodes: z.string(),
  space: z.string(),
});
export type KeysState = z.output<typeof KeysSchema>;

const START: KeysState = { cursor: '0', seen: 0, own: 0, again: 0, flaws: {}, balances: {}, directories: '0', inodes: '0', space: '0' };

const DERIVED = 'names, inodes and what follows from them';

export interface Audited {
  readonly checks: readonly Check[];
  readonly notMeasured: readonly { readonly what: string; readonly why: string }[];
  /** Where the next invocation goes on. */
  readonly next: KeysState | undefined;
}

export interface Tally {
  flaw(name: Flaw, many?: number): void;
  readonly balances: Readonly<Record<BalanceName, Balance>>;
}

/**
 * Goes through all keys once, in no order, and holds sums alone: what a name says of its inode and its folder is read with it, and what
 * only all names together say is balanced.
 */
export const auditKeys = async (
  session: RedisSession,
  from: KeysState | undefined,
  budget: Budget,
  progress: (keys: number) => void,
): Promise<Audited> => {
  const quotas = await quotasOf(session);
  const rules = new Set(listOfReplies(await session.call('HKEYS', `${session.prefix}acl`)).map((id) => Number(numberOf(id))));
  const parents: ParentCache = new Map();
  let state = from ?? START;
  for (;;) {
    budget.signal.throwIfAborted();
    const page = await scanPage(session, state.cursor);
    const tally = tallyOf(state);
    const part = await auditPage({ session, tally, rules, quotas, parents }, page.names);
    progress(page.keys);
    state = {
      cursor: page.next,
      seen: state.seen + page.keys,
      own: state.own + page.names.length,
      again: state.again,
      flaws: tally.told(),
      balances: Object.fromEntries(BALANCES.map((name) => [name, tally.balances[name].text()])),
      directories: String(BigInt(state.directories) + part.directories),
      inodes: String(BigInt(state.inodes) + part.inodes),
      space: String(BigInt(state.space) + part.space),
    };
    const ended = page.next === '0';
    if (part.doubled || (ended && !(await toldOnce(session, state)))) {
      if (state.again + 1 >= PASSES_MAX) return { checks: [], notMeasured: [neverSettled(DERIVED)], next: undefined };
      state = { ...START, again: state.again + 1 };
    } else if (ended) return { checks: await conclude(session, state, quotas), notMeasured: [], next: undefined };
    if (budget.remaining() <= 0) return { checks: [], notMeasured: [], next: state };
  }
};

const tallyOf = (state: KeysState): Tally & { told(): Record<string, number> } => {
  const flaws = { ...state.flaws };
  const balances = Object.fromEntries(BALANCES.map((name) => [name, openBalance(state.balances[name])])) as Record<BalanceName, Balance>;
  return {
    flaw(name, many = 1) {
      if (many > 0) flaws[name] = (flaws[name] ?? 0) + many;
    },
    balances,
    told: () => flaws,
  };
};

interface Means {
  readonly session: RedisSession;
  readonly tally: Tally;
  readonly rules: ReadonlySet<number>;
  readonly quotas: Awaited<ReturnType<typeof quotasOf>>;
  readonly parents: ParentCache;
}

interface PageSums {
  readonly directories: bigint;
  readonly inodes: bigint;
  readonly space: bigint;
  /** A folder showed names twice. */
  readonly doubled: boolean;
}

const auditPage = async (means: Means, names: readonly string[]): Promise<PageSums> => {
  const { session, tally } = means;
  const of = (letter: string): bigint[] => [...new Set(names.filter((name) => isOf(letter, name)))].map((name) => BigInt(name.slice(1)));
  const nodes = await readNodes(session, of('i'));
  let [directories, inodes, space] = [0n, 0n, 0n];
  for (const node of nodes.values()) {
    auditNode(node, means);
    if (node.attr.type === TYPE.directory) directories++;
    if (!isRoot(node)) {
      inodes++;
      space += spaceOf(node);
    }
  }
  await auditTargets(session, tally, nodes);
  const folders = await auditFolders(session, tally, nodes);
  await auditOwners(means, nodes);
  if (means.quotas.folders.size > 0 && folders.sums.size > 0) await addAbove(session, means.quotas, means.parents, folders.sums, tally);
  await auditRest(session, tally, { d: of('d'), x: of('x'), s: of('s'), p: of('p') });
  return { directories, inodes, space, doubled: folders.doubled };
};

const isOf = (letter: string, name: string): boolean => name.startsWith(letter) && /^\d+$/.test(name.slice(1));

const isRoot = ({ attr }: StoredAttr): boolean => attr.inode === ROOT_INODE || attr.inode === TRASH_INODE;

export const spaceOf = ({ attr }: StoredAttr): bigint => align4K(attr.type === TYPE.regular ? attr.length : 0n);

/** What an inode says of itself; its side of the balances. */
const auditNode = (node: StoredAttr, { tally, rules }: Means): void => {
  const { attr, parent, accessAcl, defaultAcl } = node;
  const { balances, flaw } = tally;
  for (const rule of [accessAcl, defaultAcl]) if (rule !== 0 && !rules.has(rule)) flaw('access rules that are not there');
  if (attr.type === TYPE.directory) {
    if (attr.length !== 4096n) flaw('lengths that cannot be');
    if (!isRoot(node)) balances.folders.add(attr.inode, 0n, -1n);
    return;
  }
  if (attr.type !== TYPE.regular && attr.type !== TYPE.symlink && attr.length !== 0n) flaw('lengths that cannot be');
  balances.files.add(attr.inode, 0n, -BigInt(attr.nlink));
  if (attr.nlink === 1) balances.single.add(attr.inode, 0n, -1n);
  if (attr.nlink === 0) flaw('links of files that are not counted');
  if (attr.nlink > 1 && parent !== 0n) flaw('parents that are not those of the name');
};

const auditTargets = async (session: RedisSession, { flaw }: Tally, nodes: Nodes): Promise<void> => {
  const links = [...nodes.values()].filter(({ attr }) => attr.type === TYPE.symlink);
  const lengths = await session.pipeline(links.map(({ attr }) => ['STRLEN', `${session.prefix}s${attr.inode}`] as const));
  for (const [i, { attr }] of links.entries()) if (numberOf(lengths[i]) !== attr.length) flaw('lengths that cannot be');
};

/** Users and groups: files and folders count, each once, and nothing else does. */
const auditOwners = async ({ tally, quotas }: Means, nodes: Nodes): Promise<void> => {
  if (!quotas.ofOwners) return;
  const { balances } = tally;
  const sums = { users: new Map<bigint, FolderSums>(), groups: new Map<bigint, FolderSums>() };
  for (const node of nodes.values()) {
    const { type, uid, gid } = node.attr;
    if (isRoot(node) || (type !== TYPE.regular && type !== TYPE.directory)) continue;
    for (const [owners, owner] of [[sums.users, uid] as const, [sums.groups, gid] as const]) {
      const known = owners.get(BigInt(owner)) ?? { space: 0n, inodes: 0n };
      owners.set(BigInt(owner), { space: known.space + spaceOf(node), inodes: known.inodes + 1n });
    }
  }
  for (const [owner, { space, inodes }] of sums.users) {
    balances.users.add(owner, 0n, space);
    balances.userInodes.add(owner, 0n, inodes);
  }
  for (const [owner, { space, inodes }] of sums.groups) {
    balances.groups.add(owner, 0n, space);
    balances.groupInodes.add(owner, 0n, inodes);
  }
};

/** Keys that belong to an inode, which must be there and of their kind. */
const auditRest = async (
  session: RedisSession,
  { flaw, balances }: Tally,
  { d, x, s, p }: Readonly<Record<'d' | 'x' | 's' | 'p', readonly bigint[]>>,
): Promise<void> => {
  const nodes = await readNodes(session, [...d, ...x, ...s, ...p]);
  for (const inode of x) if (!nodes.has(inode)) flaw('xattrs without an inode');
  for (const inode of s) if (nodes.get(inode)?.attr.type !== TYPE.symlink) flaw('targets of what is no symlink');
  const stray = d.filter((inode) => nodes.get(inode)?.attr.type !== TYPE.directory);
  const lengths = await session.pipeline(stray.map((inode) => ['HLEN', `${session.prefix}d${inode}`] as const));
  for (const length of lengths) flaw('names without a directory', Number(numberOf(length)));
  const parents = await session.pipeline(p.map((inode) => ['HGETALL', `${session.prefix}p${inode}`] as const));
  for (const [i, inode] of p.entries()) {
    const fields = listOfReplies(parents[i]);
    let links = 0n;
    for (let at = 0; at + 1 < fields.length; at += 2) {
      balances.parents.add(inode, numberOf(fields[at]), -numberOf(fields[at + 1]));
      links += numberOf(fields[at + 1]);
    }
    const node = nodes.get(inode);
    if (node === undefined || BigInt(node.attr.nlink) !== links || links < 2n) flaw('parents that are not those of the name');
  }
};

const conclude = async (session: RedisSession, state: KeysState, quotas: Means['quotas']): Promise<readonly Check[]> => {
  const balance = (name: BalanceName): Balance => openBalance(state.balances[name]);
  const [below, inodesBelow] = [balance('below'), balance('inodesBelow')];
  for (const [inode, { space, inodes }] of quotas.folders) {
    below.add(inode, 0n, -space);
    inodesBelow.add(inode, 0n, -inodes);
  }
  const owners = [balance('users'), balance('userInodes'), balance('groups'), balance('groupInodes')] as const;
  if (quotas.ofOwners)
    for (const [i, name] of (['userQuota', 'groupQuota'] as const).entries())
      for await (const [owner, { space, inodes }] of quotas.owners(name)) {
        (owners[2 * i] as Balance).add(owner, 0n, -space);
        (owners[2 * i + 1] as Balance).add(owner, 0n, -inodes);
      }
  const key = (name: string): string => session.prefix + name;
  const [usedInodes, usedSpace] = listOfReplies(await session.call('MGET', key('totalInodes'), key('usedSpace')));
  const lengths = await session.pipeline(['dirDataLength', 'dirUsedSpace', 'dirUsedInodes'].map((name) => ['HLEN', key(name)] as const));
  const strays = lengths.map((length) => numberOf(length) - BigInt(state.directories)).filter((many) => many > 0n);
  const equal = (name: string, expected: string, actual: string): Check => ({ name, expected, actual, ok: expected === actual });
  const [files, folders, single, parents] = [balance('files'), balance('folders'), balance('single'), balance('parents')];
  const exact = (name: Flaw): number => state.flaws[name] ?? 0;
  const either = (name: Flaw, other: Balance): string => (exact(name) > 0 ? String(exact(name)) : atLeast(other));
  const nameless = (single.excess < 0n ? -single.excess : 0n) + (folders.excess < 0n ? -folders.excess : 0n);
  const hidden = folders.excess === 0n && !folders.even;
  const differ = (...sides: readonly Balance[]): string => (sides.every(({ even }) => even) ? '0' : 'at least 1');
  return [
    ...FLAWS.filter((name) => name !== 'links of files that are not counted' && name !== 'parents that are not those of the name').map(
      (name) => equal(name, '0', String(exact(name))),
    ),
    equal('links of files that are not counted', '0', either('links of files that are not counted', files)),
    equal('parents that are not those of the name', '0', either('parents that are not those of the name', parents)),
    equal('inodes without a name', '0', nameless > 0n ? String(nameless) : hidden ? 'at least 1' : '0'),
    equal('directories with several names', '0', folders.excess > 0n ? String(folders.excess) : hidden ? 'at least 1' : '0'),
    equal('statistics of no directory', '0', String(strays.reduce((most, many) => (many > most ? many : most), 0n))),
    equal('used inodes', state.inodes, String(numberOf(usedInodes))),
    equal('used space', state.space, String(numberOf(usedSpace))),
    equal('quotas of directories whose use differs', '0', differ(below, inodesBelow)),
    equal('quotas of users whose use differs', '0', differ(owners[0], owners[1])),
    equal('quotas of groups whose use differs', '0', differ(owners[2], owners[3])),
  ];
};
