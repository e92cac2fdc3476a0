import type { IncomingMessage } from 'node:http';
import { header, type Received, receive, sum } from './body.ts';
import { type Bucket, checkCondition, current, etagOf, remove, store, type Version } from './buckets.ts';
import { type Answer, S3Error, texts, xml } from './xml.ts';

export interface Call {
  readonly request: IncomingMessage;
  readonly bucket: Bucket;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly buckets: ReadonlyMap<string, Bucket>;
}

export const conditionOf = (request: IncomingMessage): { readonly ifMatch: string; readonly ifNoneMatch: string } => ({
  ifMatch: header(request, 'if-match'),
  ifNoneMatch: header(request, 'if-none-match'),
});

export const versionHeader = (bucket: Bucket, version: Version): Record<string, string | undefined> => ({
  'x-amz-version-id': bucket.versioned ? version.id : undefined,
});

const keptHeaders = (request: IncomingMessage): Record<string, string> =>
  Object.fromEntries(
    Object.entries(request.headers)
      .filter(([name]) => name.startsWith('x-amz-meta-') || name === 'content-type')
      .map(([name, value]) => [name, String(value)]),
  );

export const putObject = async ({ request, bucket, key }: Call): Promise<Answer> => {
  const received = await receive(request);
  checkCondition(bucket, key, conditionOf(request));
  const lock = lockOf(request, bucket, received);
  const { bytes, checksum } = received;
  const version = store(bucket, key, {
    bytes,
    etag: etagOf(bytes),
    checksum,
    headers: keptHeaders(request),
    ...(lock === undefined ? {} : { lock }),
  });
  return {
    headers: {
      etag: version.etag,
      ...versionHeader(bucket, version),
      ...(checksum === undefined ? {} : { [`x-amz-checksum-${checksum.algorithm}`]: checksum.value }),
    },
  };
};

const lockOf = (request: IncomingMessage, bucket: Bucket, { checksum, md5 }: Received): Version['lock'] => {
  const mode = header(request, 'x-amz-object-lock-mode');
  const until = header(request, 'x-amz-object-lock-retain-until-date');
  if (mode !== '' && bucket.lock === undefined) throw new S3Error(400, 'InvalidRequest', 'Bucket is missing Object Lock Configuration');
  if ((mode !== '' || bucket.lock?.mode !== undefined) && checksum === undefined && !md5)
    throw new S3Error(
      400,
      'InvalidRequest',
      'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters',
    );
  return mode === '' ? undefined : { mode, until: new Date(until) };
};

export const getObject = (call: Call, head: boolean): Answer => {
  const { request, bucket } = call;
  const version = find(call);
  const { ifMatch, ifNoneMatch } = conditionOf(request);
  if (ifMatch !== '' && ifMatch !== version.etag) throw new S3Error(412, 'PreconditionFailed');
  if (ifNoneMatch !== '' && (ifNoneMatch === '*' || ifNoneMatch === version.etag)) return { status: 304 };
  const range = rangeOf(header(request, 'range'), version.bytes.length);
  const { checksum } = version;
  const summed = checksum !== undefined && range === undefined && header(request, 'x-amz-checksum-mode').toUpperCase() === 'ENABLED';
  const body = range === undefined ? version.bytes : version.bytes.subarray(range.start, range.end);
  return {
    status: range === undefined ? 200 : 206,
    headers: {
      ...version.headers,
      etag: version.etag,
      'accept-ranges': 'bytes',
      'last-modified': version.modified.toUTCString(),
      'content-length': String(body.length),
      'content-range': range === undefined ? undefined : `bytes ${range.start}-${range.end - 1}/${version.bytes.length}`,
      'x-amz-object-lock-mode': version.lock?.mode,
      'x-amz-object-lock-retain-until-date': version.lock?.until.toISOString(),
      ...versionHeader(bucket, version),
      ...(summed ? { [`x-amz-checksum-${checksum.algorithm}`]: checksum.value } : {}),
    },
    ...(head ? {} : { body }),
  };
};

const find = ({ bucket, key, query }: Call): Version => {
  const wanted = query.get('versionId');
  if (wanted === null) {
    const there = current(bucket, key);
    if (there === undefined) throw new S3Error(404, 'NoSuchKey', 'The specified key does not exist.');
    return there;
  }
  const version = bucket.objects.get(key)?.find(({ id }) => id === wanted);
  if (version === undefined) throw new S3Error(404, 'NoSuchVersion');
  if (version.deleted) throw new S3Error(405, 'MethodNotAllowed');
  return version;
};

/** One range as S3 takes it; anything else is ignored. */
export const rangeOf = (text: string, size: number): { readonly start: number; readonly end: number } | undefined => {
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(text) ?? [];
  if (from === '' && to === '') return undefined;
  const start = from === '' ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === '' || to === '' ? size : Math.min(size, Number(to) + 1);
  if (start >= size || end <= start) throw new S3Error(416, 'InvalidRange', 'The requested range is not satisfiable');
  return { start, end };
};

export const deleteObject = ({ request, bucket, key, query }: Call): Answer => {
  const versionId = query.get('versionId') ?? undefined;
  const { marker } = remove(bucket, key, versionId, header(request, 'x-amz-bypass-governance-retention') === 'true');
  return {
    status: 204,
    headers: { 'x-amz-delete-marker': marker === undefined ? undefined : 'true', 'x-amz-version-id': marker ?? versionId },
  };
};

export const deleteObjects = async ({ request, bucket }: Call): Promise<Answer> => {
  const document = (await receive(request)).bytes.toString('utf8');
  const deleted: { Key: string }[] = [];
  const errors: { Key: string; Code: string }[] = [];
  for (const object of texts(document, 'Object')) {
    const key = texts(object, 'Key')[0] ?? '';
    try {
      remove(bucket, key, texts(object, 'VersionId')[0], false);
      deleted.push({ Key: key });
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      errors.push({ Key: key, Code: error.code });
    }
  }
  return { body: xml('DeleteResult', { Deleted: deleted, Error: errors }) };
};

/** What CopyObject and UploadPartCopy read, whole or the range that they ask for. */
export const copySource = ({ request, buckets }: Call): Buffer => {
  const [path = '', version] = decodeURIComponent(header(request, 'x-amz-copy-source')).replace(/^\//, '').split('?versionId=');
  const slash = path.indexOf('/');
  const from = buckets.get(path.slice(0, slash));
  if (from === undefined) throw new S3Error(404, 'NoSuchBucket');
  const key = path.slice(slash + 1);
  const found = version === undefined ? current(from, key) : from.objects.get(key)?.find(({ id }) => id === version);
  if (found === undefined || found.deleted) throw new S3Error(404, 'NoSuchKey');
  const ifMatch = header(request, 'x-amz-copy-source-if-match');
  if (ifMatch !== '' && ifMatch !== found.etag) throw new S3Error(412, 'PreconditionFailed');
  const range = rangeOf(header(request, 'x-amz-copy-source-range'), found.bytes.length);
  return range === undefined ? found.bytes : found.bytes.subarray(range.start, range.end);
};

export const copyObject = (call: Call): Answer => {
  const { request, bucket, key } = call;
  const bytes = copySource(call);
  checkCondition(bucket, key, conditionOf(request));
  const checksum = { algorithm: 'crc32', value: sum('crc32', bytes) };
  const version = store(bucket, key, { bytes, etag: etagOf(bytes), checksum, headers: {} });
  return {
    headers: versionHeader(bucket, version),
    body: xml('CopyObjectResult', { ETag: version.etag, LastModified: version.modified.toISOString(), ChecksumCRC32: checksum.value }),
  };
};
