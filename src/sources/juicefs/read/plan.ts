import { z } from 'zod';
import { LifeboatError } from '../../../errors.ts';
import type { Reader } from '../engines/reader.ts';
import { ROOT_INODE, TRASH_INODE, type Tree } from '../model.ts';
import { atRoot, openWalk, type Position } from './walk.ts';

/** Names of one task: some seconds of work. */
export const TASK_ENTRIES = 100_000;
/** Tasks of a volume at most; a plan may have 10 000. */
const TASKS_MAX = 4000n;

/** As a cursor or a segment has it. */
export const PositionSchema = z.strictObject({
  open: z.array(z.strictObject({ inode: z.string().regex(/^\d{1,20}$/), name: z.string() })).min(1),
  after: z.string().nullable(),
});

export const StretchSchema = z.strictObject({
  tree: z.enum(['FSTree', 'Trash']),
  root: z.string(),
  from: PositionSchema.nullable(),
  entries: z.int().nonnegative().nullable(),
  follows: z.boolean(),
  ends: z.boolean(),
});
export type StretchTask = z.output<typeof StretchSchema>;

/** The trees of a volume, or of one of its folders, in order. */
export interface Scope {
  readonly trees: readonly { readonly tree: Tree; readonly root: bigint }[];
}

export const volume = (skipTrash: boolean): Scope => ({
  trees: [{ tree: 'FSTree', root: ROOT_INODE }, ...(skipTrash ? [] : [{ tree: 'Trash' as const, root: TRASH_INODE }])],
});

/** The whole of each tree. */
export const wholeStretches = ({ trees }: Scope): StretchTask[] =>
  trees.map(({ tree, root }, index) => ({
    tree,
    root: String(root),
    from: null,
    entries: null,
    follows: index > 0,
    ends: index === trees.length - 1,
  }));

/**
 * Goes through the names once, without what they stand for, and cuts each tree into stretches of about equal numbers of names. A
 * stretch may end within a directory of millions, or deep below the one in which it began.
 */
export async function* planStretches(
  reader: Reader,
  scope: Scope,
  usedInodes: bigint,
  size: number = TASK_ENTRIES,
): AsyncGenerator<StretchTask> {
  const each = Math.max(size, Number(usedInodes / TASKS_MAX));
  for (const whole of wholeStretches(scope)) {
    const walk = openWalk(reader, atRoot(BigInt(whole.root)), { edgesOnly: true });
    let from: Position | null = null;
    let entries = 0;
    for (;;) {
      const step = walk.next();
      if (step === undefined) break;
      if (step === 'load') await walk.load();
      else if (step.kind === 'enter') entries++;
      if (entries < each || step === 'load') continue;
      yield { ...whole, from, entries, follows: whole.follows && from === null };
      from = walk.position();
      entries = 0;
    }
    yield { ...whole, from, follows: whole.follows && from === null };
  }
}

/** Inode of a folder by its path. Fails with NoSuchObject. */
export const findFolder = async (reader: Reader, path: string): Promise<bigint> => {
  let inode = ROOT_INODE;
  for (const name of path.split('/').filter((part) => part !== '')) {
    const wanted = Buffer.from(name, 'utf8');
    const edge = await findName(reader, inode, wanted);
    if (edge === undefined)
      throw new LifeboatError('NoSuchObject', `there is no folder ${path} in the volume`, {
        hint: 'Paths begin at the root of the volume: /a/b.',
      });
    inode = edge;
  }
  return inode;
};

const PAGE = 1000;
const DIRECTORY = 2;

const findName = async (reader: Reader, directory: bigint, name: Uint8Array): Promise<bigint | undefined> => {
  let after: Uint8Array | undefined;
  for (;;) {
    const [page] = await reader.pages([{ directory, after, limit: PAGE }]);
    const found = page?.edges.find((edge) => Buffer.compare(edge.name, name) === 0);
    if (found !== undefined) return found.type === DIRECTORY ? found.inode : undefined;
    const last = page?.edges.at(-1);
    if (page?.more !== true || last === undefined || Buffer.compare(last.name, name) > 0) return undefined;
    after = last.name;
  }
};
