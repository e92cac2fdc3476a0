import { createHash, randomBytes } from 'node:crypto';
import { header, receive, sum } from './body.ts';
import { checkCondition, etagOf, type Part, store, type Upload } from './buckets.ts';
import { type Call, conditionOf, copySource, versionHeader } from './objects.ts';
import { type Answer, S3Error, texts, xml } from './xml.ts';

/** S3's own: all parts but the last. */
const PART_MIN_BYTES = 5 * 1024 * 1024;

export const createUpload = ({ request, bucket, key }: Call): Answer => {
  const upload: Upload = {
    id: randomBytes(16).toString('hex'),
    key,
    algorithm: header(request, 'x-amz-checksum-algorithm').toLowerCase(),
    parts: new Map(),
    begun: new Date(),
  };
  bucket.uploads.set(upload.id, upload);
  return { body: xml('InitiateMultipartUploadResult', { Bucket: bucket.name, Key: key, UploadId: upload.id }) };
};

const find = ({ bucket, key, query }: Call): Upload => {
  const upload = bucket.uploads.get(query.get('uploadId') ?? '');
  if (upload === undefined || upload.key !== key) throw new S3Error(404, 'NoSuchUpload', 'The specified upload does not exist.');
  return upload;
};

export const uploadPart = async (call: Call): Promise<Answer> => {
  const upload = find(call);
  const { bytes, checksum } = await receive(call.request);
  if (checksum !== undefined && checksum.algorithm !== upload.algorithm)
    throw new S3Error(
      400,
      'InvalidRequest',
      `Checksum Type mismatch occurred, expected checksum Type: ${upload.algorithm || 'null'}, actual checksum Type: ${checksum.algorithm}`,
    );
  const part: Part = { bytes, etag: etagOf(bytes), checksum };
  upload.parts.set(Number(call.query.get('partNumber')), part);
  return {
    headers: { etag: part.etag, ...(checksum === undefined ? {} : { [`x-amz-checksum-${checksum.algorithm}`]: checksum.value }) },
  };
};

export const uploadPartCopy = (call: Call): Answer => {
  const upload = find(call);
  const bytes = copySource(call);
  const checksum = upload.algorithm === '' ? undefined : { algorithm: upload.algorithm, value: sum(upload.algorithm, bytes) };
  const part: Part = { bytes, etag: etagOf(bytes), checksum };
  upload.parts.set(Number(call.query.get('partNumber')), part);
  return {
    body: xml('CopyPartResult', {
      ETag: part.etag,
      LastModified: new Date().toISOString(),
      ChecksumCRC32: checksum?.algorithm === 'crc32' ? checksum.value : undefined,
    }),
  };
};

export const listParts = (call: Call): Answer => {
  const upload = find(call);
  const parts = [...upload.parts].sort(([a], [b]) => a - b);
  return {
    body: xml('ListPartsResult', {
      Bucket: call.bucket.name,
      Key: call.key,
      UploadId: upload.id,
      IsTruncated: false,
      Part: parts.map(([PartNumber, { etag, bytes }]) => ({ PartNumber, ETag: etag, Size: bytes.length })),
    }),
  };
};

export const listUploads = ({ bucket, query }: Call): Answer => ({
  body: xml('ListMultipartUploadsResult', {
    Bucket: bucket.name,
    IsTruncated: false,
    Upload: [...bucket.uploads.values()]
      .filter(({ key }) => key.startsWith(query.get('prefix') ?? ''))
      .map(({ id, key, begun }) => ({ Key: key, UploadId: id, Initiated: begun.toISOString() })),
  }),
});

export const abortUpload = (call: Call): Answer => {
  call.bucket.uploads.delete(find(call).id);
  return { status: 204 };
};

export const completeUpload = async (call: Call): Promise<Answer> => {
  const { request, bucket, key } = call;
  const document = (await receive(request)).bytes.toString('utf8');
  const upload = find(call);
  checkCondition(bucket, key, conditionOf(request));
  const parts = texts(document, 'Part').map((named) => namedPart(upload, named));
  if (parts.length === 0) throw new S3Error(400, 'MalformedXML');
  if (parts.slice(0, -1).some(({ bytes }) => bytes.length < PART_MIN_BYTES)) throw new S3Error(400, 'EntityTooSmall');
  const bytes = Buffer.concat(parts.map((part) => part.bytes));
  const promised = header(request, 'x-amz-mp-object-size');
  if (promised !== '' && Number(promised) !== bytes.length) throw new S3Error(400, 'InvalidRequest', 'The provided size does not match');
  const etag = `"${md5(parts.map((part) => Buffer.from(part.etag.slice(1, -1), 'hex')))}-${parts.length}"`;
  const version = store(bucket, key, { bytes, etag, checksum: composite(upload, parts), headers: {} });
  bucket.uploads.delete(upload.id);
  return {
    headers: versionHeader(bucket, version),
    body: xml('CompleteMultipartUploadResult', { Bucket: bucket.name, Key: key, ETag: etag }),
  };
};

const namedPart = (upload: Upload, named: string): Part => {
  const part = upload.parts.get(Number(texts(named, 'PartNumber')[0]));
  if (part === undefined || texts(named, 'ETag')[0] !== part.etag) throw new S3Error(400, 'InvalidPart');
  const given = texts(named, 'ChecksumCRC32')[0];
  if (upload.algorithm !== '' && given === undefined)
    throw new S3Error(
      400,
      'InvalidRequest',
      'The upload was created using a checksum. The complete request must include it for each part.',
    );
  if (given !== undefined && given !== part.checksum?.value) throw new S3Error(400, 'InvalidPart');
  return part;
};

/** Of the parts' sums, with their number: not the sum of the object. */
const composite = (upload: Upload, parts: readonly Part[]): Part['checksum'] =>
  upload.algorithm === ''
    ? undefined
    : {
        algorithm: upload.algorithm,
        value: `${sum(upload.algorithm, Buffer.concat(parts.map(({ checksum }) => Buffer.from(checksum?.value ?? '', 'base64'))))}-${parts.length}`,
      };

const md5 = (sums: readonly Buffer[]): string => createHash('md5').update(Buffer.concat(sums)).digest('hex');
