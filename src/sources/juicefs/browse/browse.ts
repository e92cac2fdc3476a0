import type { Manifest } from '../../../backup/types.ts';
import { LifeboatError } from '../../../errors.ts';
import type { Browsed, BrowseRequest, SegmentSource } from '../../contract.ts';
import type { HeadToLoad } from '../engines/writer.ts';
import { unescapeName } from '../format/escape.ts';
import { openParser } from '../format/parse.ts';
import { type Quota, TRASH_INODE, type Tree } from '../model.ts';
import { readHead, startOf } from '../restore-input.ts';
import {
  addTo,
  emptySum,
  type Listed,
  listedOf,
  permissions,
  quotaJson,
  quotaWords,
  type Sum,
  shownName,
  sizeWords,
  sumJson,
} from './listed.ts';
import { isNeeded, type Path, stretchesOf } from './mark.ts';
import { type Step, visitSegment } from './visit.ts';

/** Where juicefs itself shows the trash. */
const TRASH_NAME = '.trash';

/** A directory of a backup, or a file: read from the segments that hold its names, and from no other. */
export const browse = async (manifest: Manifest, read: SegmentSource, request: BrowseRequest): Promise<Browsed> => {
  const { tree, path } = placeOf(request.path);
  const after = request.after === undefined ? undefined : bytesOf(request.after);
  const needed = stretchesOf(manifest.segments, tree).filter((stretch) => isNeeded(stretch, { path, after, below: request.sum }));
  const found = await collect(
    needed.map(({ segment }) => segment),
    read,
    { ...request, path, after },
  );
  const head = await readHead(manifest, read);
  if (found.entry === undefined) throw nothingThere(request.path, path, found.steps);
  return describe(request, found.entry, found, head, needed.length + 1);
};

/** A path as a person writes it: `%XX` is a byte, as in a dump. Fails with Usage. */
const placeOf = (text: string): { readonly tree: Tree; readonly path: Path } => {
  if (!text.startsWith('/'))
    throw new LifeboatError('Usage', `not a path of the volume: ${text.slice(0, 100)}`, {
      hint: 'It begins at the root of the volume: /a/b.',
    });
  const names = text.split('/').filter((name) => name !== '' && name !== '.');
  if (names.includes('..')) throw new LifeboatError('Usage', 'a path of a backup has no ..', { hint: 'Name the folder itself: /a/b.' });
  const tree = names[0] === TRASH_NAME ? 'Trash' : 'FSTree';
  return { tree, path: (tree === 'Trash' ? names.slice(1) : names).map(bytesOf) };
};

const bytesOf = (name: string): Uint8Array => unescapeName(Buffer.from(name, 'utf8'));

interface Collected {
  /** What the path names. */
  readonly entry: Listed | undefined;
  /** The directories on the way that are there. */
  readonly steps: readonly Step[];
  readonly children: readonly Listed[];
  readonly more: boolean;
  readonly sum: Sum | undefined;
}

const collect = async (
  segments: Manifest['segments'],
  read: SegmentSource,
  {
    path,
    after,
    limit,
    sum: wanted,
    signal,
  }: { readonly path: Path; readonly after: Uint8Array | undefined } & Omit<BrowseRequest, 'path' | 'after'>,
): Promise<Collected> => {
  let entry: Listed | undefined;
  let more = false;
  const steps = new Map<bigint, Step>();
  const children: Listed[] = [];
  const sum = wanted ? emptySum() : undefined;
  for (const segment of segments) {
    if (more && sum === undefined) break;
    const handler = visitSegment(segment, path, {
      passed: (step) => steps.set(step.inode, step),
      found: (one) => {
        entry = listedOf(one);
      },
      child(one) {
        if (after !== undefined && Buffer.compare(one.name, after) <= 0) return;
        if (children.length < limit) children.push(listedOf(one));
        else more = true;
      },
      below: ({ attr }) => {
        if (sum !== undefined) addTo(sum, attr);
      },
    });
    const parser = openParser(startOf(segment), handler);
    for await (const bytes of read.read(segment)) {
      signal.throwIfAborted();
      parser.push(bytes);
    }
    parser.end();
  }
  return { entry, steps: [...steps.values()], children, more, sum };
};

/** Names the first part of the path that is not there. */
const nothingThere = (text: string, path: Path, steps: readonly Step[]): LifeboatError => {
  const missing = path[Math.max(0, steps.length - 1)];
  const folder = `/${steps
    .slice(1)
    .map(({ name }) => shownName(name))
    .join('/')}`;
  return new LifeboatError(
    'NoSuchObject',
    `there is no ${text} in the backup${missing === undefined ? '' : `: ${folder} has no folder or file "${shownName(missing)}"`}`,
    {
      hint: `\`--path ${folder}\` shows what is there. A byte that is no text is written %XX, and % itself %25.`,
    },
  );
};

const describe = (request: BrowseRequest, entry: Listed, found: Collected, head: HeadToLoad, segments: number): Browsed => {
  const quotaOf = ({ inode }: { readonly inode: string | bigint }): Quota | undefined => head.quotas.get(BigInt(inode));
  const above = found.steps.filter((step) => String(step.inode) !== entry.inode && quotaWords(quotaOf(step)) !== '');
  const isFolder = entry.type === 'directory';
  const { children, more, sum } = found;
  return {
    contents: {
      path: request.path,
      entry: { ...entry, quota: quotaJson(quotaOf(entry)) },
      quotasAbove: above.map((step) => ({ inode: String(step.inode), name: shownName(step.name), quota: quotaJson(quotaOf(step)) })),
      entries: children.map((child) => ({ ...child, quota: quotaJson(quotaOf(child)) })),
      more,
      sum: sum === undefined ? null : sumJson(sum),
      segmentsRead: segments,
    },
    facts: [
      [isFolder ? 'folder' : entry.type, `${request.path}, inode ${entry.inode}`],
      ['owner', `${entry.uid}:${entry.gid}, ${permissions(entry)}${entry.acl ? ', with access rules' : ''}`],
      ['changed', entry.mtime],
      ...(isFolder ? [] : [['size', sizeOf(entry)] as const]),
      ...(entry.symlink === null ? [] : [['points at', entry.symlink] as const]),
      ...Object.entries(entry.xattrs).map(([name, value]) => [`xattr ${name}`, value.slice(0, 200)] as const),
      ...(quotaWords(quotaOf(entry)) === '' ? [] : [['quota', quotaWords(quotaOf(entry))] as const]),
      ...above.map((step) => [`quota of ${step.name.length === 0 ? '/' : shownName(step.name)}`, quotaWords(quotaOf(step))] as const),
      ...(sum === undefined
        ? []
        : [['below', `${sum.entries} names: ${sum.files} files of ${sizeWords(sum.bytes)}, ${sum.directories} folders`] as const]),
    ],
    table: isFolder
      ? {
          header: ['MODE', 'OWNER', 'SIZE', 'MODIFIED', 'QUOTA', 'NAME'],
          right: [2],
          rows: children.map((child) => [
            permissions(child),
            `${child.uid}:${child.gid}`,
            child.type === 'directory' ? '' : sizeWords(BigInt(child.length)),
            child.mtime,
            quotaWords(quotaOf(child)),
            `${child.name}${child.type === 'directory' ? '/' : ''}${child.symlink === null ? '' : ` -> ${child.symlink}`}`,
          ]),
        }
      : undefined,
    notes: [
      ...(isFolder
        ? [
            `${children.length} ${children.length === 1 ? 'name' : 'names'}${more ? `; for those after them: --after '${children.at(-1)?.name}'` : ''}`,
          ]
        : []),
      ...(request.path.startsWith(`/${TRASH_NAME}`) || BigInt(entry.inode) === TRASH_INODE
        ? ['in the trash: names are <folder>-<inode>-<name>']
        : []),
    ],
  };
};

const sizeOf = ({ length, slices, nlink }: Listed): string =>
  `${sizeWords(BigInt(length))} (${length} bytes) in ${slices} slices${nlink > 1 ? `, ${nlink} names` : ''}`;
