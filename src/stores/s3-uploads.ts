import { ListMultipartUploadsCommand, type ListMultipartUploadsCommandOutput, type S3Client } from '@aws-sdk/client-s3';
import { S3_TUNING, type S3Options, s3Client } from './s3-client.ts';
import { s3Error } from './s3-errors.ts';

/** More than these is a number that needs no counting. */
const COUNTED_MAX = 10_000;

/** Multipart uploads below a prefix that were begun before a time and never ended: their parts are paid for, and no list shows them. */
export const countUnfinishedUploads = async (bucket: string, prefix: string, before: Date, options: S3Options = {}): Promise<number> => {
  const client = s3Client(options, S3_TUNING);
  try {
    let count = 0;
    for await (const { Uploads = [] } of pages(client, bucket, prefix)) {
      count += Uploads.filter(({ Initiated }) => Initiated !== undefined && Initiated < before).length;
      if (count >= COUNTED_MAX) break;
    }
    return count;
  } catch (error) {
    throw s3Error(error, { action: 'ListMultipartUploads', bucket, key: prefix });
  } finally {
    client.destroy();
  }
};

async function* pages(client: S3Client, Bucket: string, Prefix: string): AsyncGenerator<ListMultipartUploadsCommandOutput> {
  let KeyMarker: string | undefined;
  let UploadIdMarker: string | undefined;
  do {
    const page: ListMultipartUploadsCommandOutput = await client.send(
      new ListMultipartUploadsCommand({ Bucket, Prefix, KeyMarker, UploadIdMarker }),
    );
    yield page;
    KeyMarker = page.IsTruncated === true ? page.NextKeyMarker : undefined;
    UploadIdMarker = page.NextUploadIdMarker;
  } while (KeyMarker !== undefined);
}
