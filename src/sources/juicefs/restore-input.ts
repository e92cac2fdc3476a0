import { z } from 'zod';
import { restoreInput } from '../../backup/restore-input.ts';
import type { Manifest, Segment } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { SegmentSource, StageContext } from '../contract.ts';
import type { HeadToLoad } from './engines/writer.ts';
import { openParser, type Start } from './format/parse.ts';
import { headReader } from './write/head.ts';

const SegmentContextSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('head') }),
  z.object({
    kind: z.literal('tree'),
    tree: z.enum(['FSTree', 'Trash']),
    /** Null where the segment begins with the tree itself. */
    open: z.array(z.object({ inode: z.string().regex(/^\d{1,20}$/), name: z.string() })).nullable(),
    after: z.string().nullable(),
  }),
]);
export type SegmentContext = z.output<typeof SegmentContextSchema>;

export const contextOf = (segment: Segment): SegmentContext => {
  const context = SegmentContextSchema.safeParse(segment.context);
  if (context.success) return context.data;
  throw new LifeboatError('ManifestInvalid', `segment ${segment.ordinal} does not say what it holds`, {
    hint: 'The backup is not one of JuiceFS, or of a newer Lifeboat.',
    cause: context.error,
  });
};

export const treeSegments = (manifest: Manifest): readonly Segment[] =>
  manifest.segments.filter((segment) => contextOf(segment).kind === 'tree');

export const startOf = (segment: Segment): Start => {
  const context = contextOf(segment);
  if (context.kind === 'head') return { at: 'document' };
  if (context.open === null) return { at: 'fields' };
  return { at: 'entries', tree: context.tree, open: context.open.map(({ inode }) => ({ inode: BigInt(inode) })) };
};

/** What the head of the backup says; read from its segment. */
export const readHeadToLoad = (context: StageContext): Promise<HeadToLoad> => readHead(restoreInput(context).manifest, context.read);

export const readHead = async (manifest: Manifest, read: SegmentSource): Promise<HeadToLoad> => {
  const segment = manifest.segments.find((one) => contextOf(one).kind === 'head');
  if (segment === undefined) throw new LifeboatError('ManifestInvalid', 'the backup has no head');
  const fields = headReader();
  const parser = openParser({ at: 'document' }, { field: fields.field, root: () => {}, entry: () => {} });
  for await (const bytes of read.read(segment)) parser.push(bytes);
  return fields.end();
};
