import { ListObjectsV2Command, type _Object as S3Object } from '@aws-sdk/client-s3';
import { isKey } from './keys.ts';
import { deedOf, fullKey, type Place, sent } from './s3-client.ts';
import { unavailable } from './s3-errors.ts';
import type { ObjectInfo } from './store.ts';

/**
 * Pages by the last key instead of the server's token: a page that repeats keys cannot repeat them to the reader. From the second page on
 * the next one is asked for while this one is read.
 */
export async function* listObjects(place: Place, prefix: string, after: string): AsyncGenerator<ObjectInfo> {
  let last = after === '' ? '' : fullKey(place, after);
  let ahead: Promise<Page> | undefined;
  for (let pages = 1; ; pages++) {
    const page = await (ahead ?? pageAfter(place, prefix, last));
    const end = page.contents.reduce((key, { Key = '' }) => (Key > key ? Key : key), last);
    if (page.truncated && end === last)
      throw unavailable(new Error('a page brought no new key and said that there are more'), deedOf(place, 'ListObjectsV2'));
    ahead = page.truncated && pages > 1 ? pageAfter(place, prefix, end) : undefined;
    // Whoever reads on meets its failure; who stops here never asks.
    ahead?.catch(() => {});
    for (const { Key: full, Size, LastModified, ETag } of page.contents) {
      if (full === undefined || full <= last) continue;
      last = full;
      const key = full.slice(place.prefix.length);
      // Folder markers of consoles and other foreign things are not ours to name.
      if (isKey(key)) yield { key, bytes: Size ?? 0, modified: LastModified ?? new Date(0), etag: ETag ?? '' };
    }
    if (!page.truncated) return;
  }
}

interface Page {
  readonly contents: readonly S3Object[];
  readonly truncated: boolean;
}

const pageAfter = async (place: Place, prefix: string, after: string): Promise<Page> => {
  const { Contents, IsTruncated } = await sent(deedOf(place, 'ListObjectsV2'), undefined, () =>
    place.client.send(
      new ListObjectsV2Command({ Bucket: place.bucket, Prefix: fullKey(place, prefix), ...(after === '' ? {} : { StartAfter: after }) }),
    ),
  );
  return { contents: Contents ?? [], truncated: IsTruncated === true };
};
