import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { crc32 } from 'node:zlib';
import { S3Error } from './xml.ts';

export interface Checksum {
  /** As in the header: crc32, sha1, sha256. */
  readonly algorithm: string;
  readonly value: string;
}

export interface Received {
  readonly bytes: Buffer;
  /** The one that the client sent, which was found right. */
  readonly checksum: Checksum | undefined;
  readonly md5: boolean;
}

const PREFIX = 'x-amz-checksum-';

/** The whole body, out of its aws-chunked framing, with all its checksums verified. Signatures are not. */
export const receive = async (request: IncomingMessage): Promise<Received> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const raw = Buffer.concat(chunks);
  const chunked = header(request, 'content-encoding').split(',').includes('aws-chunked');
  const { bytes, trailers } = chunked ? dechunk(raw) : { bytes: raw, trailers: new Map<string, string>() };
  const decoded = header(request, 'x-amz-decoded-content-length');
  if (chunked && decoded !== '' && Number(decoded) !== bytes.length) throw new S3Error(400, 'IncompleteBody');
  const promised = header(request, 'x-amz-trailer').toLowerCase();
  if (promised !== '' && !trailers.has(promised)) throw new S3Error(400, 'MalformedTrailerError');
  checkPayload(request, bytes);
  const headers = Object.entries(request.headers).map(([name, value]): [string, string] => [name, String(value)]);
  const checksum = [...trailers, ...headers]
    .filter(
      ([name]) => name.startsWith(PREFIX) && !['x-amz-checksum-mode', 'x-amz-checksum-algorithm', 'x-amz-checksum-type'].includes(name),
    )
    .map(([name, value]): Checksum => ({ algorithm: name.slice(PREFIX.length), value }))
    .at(0);
  if (checksum !== undefined && sum(checksum.algorithm, bytes) !== checksum.value)
    throw new S3Error(400, 'BadDigest', `The ${checksum.algorithm.toUpperCase()} you specified did not match the calculated checksum.`);
  return { bytes, checksum, md5: header(request, 'content-md5') !== '' };
};

export const sum = (algorithm: string, bytes: Buffer): string => {
  if (algorithm === 'sha1' || algorithm === 'sha256') return createHash(algorithm).update(bytes).digest('base64');
  if (algorithm !== 'crc32')
    throw new S3Error(501, 'NotImplemented', `A header you provided implies functionality that is not implemented: ${algorithm}`);
  const value = Buffer.alloc(4);
  value.writeUInt32BE(crc32(bytes));
  return value.toString('base64');
};

export const header = (request: IncomingMessage, name: string): string => {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(',') : (value ?? '');
};

const checkPayload = (request: IncomingMessage, bytes: Buffer): void => {
  const sha256 = header(request, 'x-amz-content-sha256');
  if (/^[0-9a-f]{64}$/.test(sha256) && createHash('sha256').update(bytes).digest('hex') !== sha256)
    throw new S3Error(400, 'XAmzContentSHA256Mismatch');
  const md5 = header(request, 'content-md5');
  if (md5 !== '' && createHash('md5').update(bytes).digest('base64') !== md5) throw new S3Error(400, 'BadDigest');
};

/** `<hex size>[;chunk-signature=…]\r\n<bytes>\r\n` until a size of 0, then trailers. */
const dechunk = (raw: Buffer): { readonly bytes: Buffer; readonly trailers: Map<string, string> } => {
  const parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = raw.indexOf('\r\n', at);
    const size = lineEnd < 0 ? Number.NaN : Number.parseInt(raw.toString('latin1', at, lineEnd).split(';')[0] ?? '', 16);
    if (Number.isNaN(size)) throw new S3Error(400, 'IncompleteBody');
    at = lineEnd + 2;
    if (size === 0) return { bytes: Buffer.concat(parts), trailers: trailersOf(raw.toString('latin1', at)) };
    if (raw.toString('latin1', at + size, at + size + 2) !== '\r\n') throw new S3Error(400, 'IncompleteBody');
    parts.push(raw.subarray(at, at + size));
    at += size + 2;
  }
};

const trailersOf = (text: string): Map<string, string> =>
  new Map(
    text
      .split('\r\n')
      .filter((line) => line.includes(':'))
      .map((line) => [line.slice(0, line.indexOf(':')).toLowerCase().trim(), line.slice(line.indexOf(':') + 1).trim()]),
  );
