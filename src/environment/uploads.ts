import type { Environment } from './environment.ts';

/** The lifecycle rule of the buckets removes unfinished uploads after two days; what is older shows that it does not, in milliseconds. */
const LEFT_AFTER_MS = 3 * 24 * 60 * 60 * 1000;

/** Multipart uploads of a source that were left behind, in the store and under control. None where neither is in S3. */
export const uploadsLeft = async ({ store, control }: Environment, source: string, now: Date): Promise<number> => {
  const before = new Date(now.getTime() - LEFT_AFTER_MS);
  let left = 0;
  for (const { url, ...options } of [store, control]) {
    const place = new URL(url);
    if (place.protocol !== 's3:') continue;
    const { countUnfinishedUploads } = await import('../stores/s3-uploads.ts');
    const prefix = decodeURIComponent(place.pathname).replace(/^\/|\/$/g, '');
    left += await countUnfinishedUploads(place.host, `${prefix === '' ? '' : `${prefix}/`}${source}/`, before, options);
  }
  return left;
};
