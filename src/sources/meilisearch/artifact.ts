import { z } from 'zod';
import type { Manifest, Segment } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import type { SegmentSource, StageContext } from '../contract.ts';
import { type DumpContents, readContents } from './dump/contents.ts';
import { readGzip } from './dump/gzip-read.ts';
import { readLines } from './dump/lines.ts';
import { readTar } from './dump/tar-read.ts';
import { DetailsSchema } from './dump-facts.ts';
import { type Search, SearchSchema } from './searches.ts';

const ContextSchema = z.object({
  kind: z.enum(['instance', 'settings', 'documents', 'frame', 'searches', 'file']),
  index: z.string().optional(),
  documents: z.int().optional(),
});

const contextOf = (segment: Segment): z.output<typeof ContextSchema> => {
  const parsed = ContextSchema.safeParse(segment.context);
  if (parsed.success) return parsed.data;
  throw new LifeboatError('ManifestInvalid', `segment ${segment.ordinal} does not say what it holds`, {
    hint: 'The backup is not one of Meilisearch, or of a newer Lifeboat.',
  });
};

const ofKind = (manifest: Manifest, ...kinds: readonly string[]): Segment[] =>
  manifest.segments.filter((segment) => kinds.includes(contextOf(segment).kind));

export const detailsOf = (manifest: Manifest) => DetailsSchema.parse(manifest.details);

/** True when the artifact is a file that the server wrote: then it can only be read from its beginning. */
export const isFile = (manifest: Manifest): boolean => ofKind(manifest, 'file').length > 0;

/** The documents of one index, segment by segment. */
export const documentSegments = (manifest: Manifest, index: string): Segment[] =>
  ofKind(manifest, 'documents').filter((segment) => contextOf(segment).index === index);

/** All of a backup but its documents. */
export const contentsOf = ({ read }: Pick<StageContext, 'read'>, manifest: Manifest): Promise<DumpContents> =>
  readContents(readTar(isFile(manifest) ? fileTar(read, manifest) : segmentsOf(read, ofKind(manifest, 'instance', 'settings'))));

/** The archive within the dump, all of it. */
export const archiveOf = (read: SegmentSource, manifest: Manifest): AsyncIterable<Uint8Array> =>
  isFile(manifest)
    ? fileTar(read, manifest)
    : segmentsOf(
        read,
        manifest.segments.filter(({ role, encoding }) => role === 'artifact' && encoding === 'deflate-raw-flushed'),
      );

/** The archive within a dump that the server wrote. */
export const fileTar = (read: SegmentSource, manifest: Manifest): AsyncIterable<Buffer> =>
  readGzip(segmentsOf(read, ofKind(manifest, 'file')));

async function* segmentsOf(read: SegmentSource, segments: readonly Segment[]): AsyncGenerator<Uint8Array> {
  for (const segment of segments) yield* read.read(segment);
}

export const searchesOf = async ({ read }: Pick<StageContext, 'read'>, manifest: Manifest): Promise<Search[]> => {
  const searches: Search[] = [];
  const bytes = segmentsOf(read, ofKind(manifest, 'searches'));
  for await (const line of readLines(buffers(bytes), 'searches')) searches.push(SearchSchema.parse(parseJson(line.toString('utf8'))));
  return searches;
};

async function* buffers(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const bytes of source) yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
