import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { isKey } from './keys.ts';
import { deedOf, fullKey, type Place, sent } from './s3-client.ts';
import { unavailable } from './s3-errors.ts';
import type { ObjectInfo } from './store.ts';

/** Pages by the last key instead of the server's token: a page that repeats keys cannot repeat them to the reader. */
export async function* listObjects(place: Place, prefix: string, after: string): AsyncGenerator<ObjectInfo> {
  const deed = deedOf(place, 'ListObjectsV2');
  for (let last = after === '' ? '' : fullKey(place, after); ; ) {
    const page = await sent(deed, undefined, () =>
      place.client.send(
        new ListObjectsV2Command({ Bucket: place.bucket, Prefix: fullKey(place, prefix), ...(last === '' ? {} : { StartAfter: last }) }),
      ),
    );
    const before = last;
    for (const { Key: full, Size, LastModified, ETag } of page.Contents ?? []) {
      if (full === undefined || full <= last) continue;
      last = full;
      const key = full.slice(place.prefix.length);
      // Folder markers of consoles and other foreign things are not ours to name.
      if (isKey(key)) yield { key, bytes: Size ?? 0, modified: LastModified ?? new Date(0), etag: ETag ?? '' };
    }
    if (page.IsTruncated !== true) return;
    if (last === before) throw unavailable(new Error('a page brought no new key and said that there are more'), deed);
  }
}
