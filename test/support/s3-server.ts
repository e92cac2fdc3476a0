import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bucket, newBucket } from './s3-fake/buckets.ts';
import { type Fault, type Faults, faultScript } from './s3-fake/faults.ts';
import { listObjects, listVersions } from './s3-fake/listing.ts';
import { type Call, copyObject, deleteObject, deleteObjects, getObject, putObject } from './s3-fake/objects.ts';
import { abortUpload, completeUpload, createUpload, listParts, listUploads, uploadPart, uploadPartCopy } from './s3-fake/uploads.ts';
import { type Answer, S3Error, xml } from './s3-fake/xml.ts';

/** One request that arrived, for tests to look at. */
export interface Seen {
  readonly operation: string;
  readonly bucket: string;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  /** Of the answer; 0 until it is sent. */
  readonly status: () => number;
}

export interface S3Server {
  /** `http://127.0.0.1:port`, path style; any credentials will do. */
  readonly endpoint: string;
  readonly faults: Faults;
  readonly seen: Seen[];
  readonly buckets: ReadonlyMap<string, Bucket>;
  addBucket(name: string, options?: Parameters<typeof newBucket>[1]): Bucket;
  /** Keys per page of a listing; S3 gives 1000. */
  pageKeys: number;
  stop(): Promise<void>;
}

/** S3 as far as its clients can see, in memory: bodies, checksums, conditions and versions are real, signatures are not looked at. */
export const startS3Server = async (): Promise<S3Server> => {
  const buckets = new Map<string, Bucket>();
  const faults = faultScript();
  const seen: Seen[] = [];
  const sockets = new Set<Socket>();

  const http = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      if (!response.headersSent && !response.destroyed) send(request, response, failure(error));
      else response.destroy();
    });
  });
  http.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { operation, bucketName, key, query } = routeOf(request);
    seen.push({
      operation,
      bucket: bucketName,
      key,
      query,
      headers: request.headers,
      status: () => (response.headersSent ? response.statusCode : 0),
    });
    const fault = faults.take(operation, key);
    if (fault?.kind === 'slow') await sleep(fault.ms);
    if (fault !== undefined && isBefore(fault)) return refuse(fault, request, response);
    const answer = await run(operation, request, bucketName, key, query, fault).catch((error: unknown) => failure(error));
    if (fault?.kind === 'error' || fault?.kind === 'drop' || fault?.kind === 'hang') return refuse(fault, request, response);
    await sendFaulty(request, response, answer, fault);
  };

  const run = async (
    operation: string,
    request: IncomingMessage,
    bucketName: string,
    key: string,
    query: URLSearchParams,
    fault: Fault | undefined,
  ): Promise<Answer> => {
    if (operation === 'CreateBucket') {
      const lock = request.headers['x-amz-bucket-object-lock-enabled'] === 'true' ? {} : undefined;
      if (buckets.has(bucketName)) throw new S3Error(409, 'BucketAlreadyOwnedByYou');
      buckets.set(bucketName, newBucket(bucketName, lock === undefined ? {} : { lock }));
      return {};
    }
    const bucket = buckets.get(bucketName);
    if (bucket === undefined) throw new S3Error(404, 'NoSuchBucket', 'The specified bucket does not exist');
    const call: Call = { request, bucket, key, query, buckets };
    if (operation === 'ListObjectsV2') return listObjects(call, server.pageKeys, fault?.kind === 'repeat');
    const work = OPERATIONS[operation];
    if (work === undefined) throw new S3Error(501, 'NotImplemented', `${operation} is not part of this server`);
    return work(call);
  };

  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port } = http.address() as AddressInfo;
  const server: S3Server = {
    endpoint: `http://127.0.0.1:${port}`,
    faults,
    seen,
    buckets,
    pageKeys: 1000,
    addBucket(name, options) {
      const bucket = newBucket(name, options);
      buckets.set(name, bucket);
      return bucket;
    },
    stop() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => http.close(() => resolve()));
    },
  };
  return server;
};

const OPERATIONS: Readonly<Record<string, (call: Call) => Answer | Promise<Answer>>> = {
  HeadBucket: () => ({}),
  PutObject: putObject,
  CopyObject: copyObject,
  GetObject: (call) => getObject(call, false),
  HeadObject: (call) => getObject(call, true),
  DeleteObject: deleteObject,
  DeleteObjects: deleteObjects,
  ListObjectVersions: listVersions,
  ListMultipartUploads: listUploads,
  CreateMultipartUpload: createUpload,
  UploadPart: uploadPart,
  UploadPartCopy: uploadPartCopy,
  ListParts: listParts,
  CompleteMultipartUpload: completeUpload,
  AbortMultipartUpload: abortUpload,
};

const routeOf = (request: IncomingMessage) => {
  const { pathname, searchParams: query } = new URL(request.url ?? '/', 'http://s3');
  const [, bucketName = '', ...rest] = pathname.split('/');
  const key = decodeURIComponent(rest.join('/'));
  const copies = request.headers['x-amz-copy-source'] !== undefined;
  return { operation: operationOf(request.method ?? '', key !== '', query, copies), bucketName, key, query };
};

const operationOf = (method: string, onObject: boolean, query: URLSearchParams, copies: boolean): string => {
  if (!onObject) {
    if (method === 'GET' && query.has('versions')) return 'ListObjectVersions';
    if (method === 'GET' && query.has('uploads')) return 'ListMultipartUploads';
    if (method === 'GET' && query.get('list-type') === '2') return 'ListObjectsV2';
    if (method === 'POST' && query.has('delete')) return 'DeleteObjects';
    if (method === 'PUT' && [...query.keys()].every((name) => name === 'x-id')) return 'CreateBucket';
    return method === 'HEAD' ? 'HeadBucket' : `${method} bucket?${query}`;
  }
  if (method === 'POST' && query.has('uploads')) return 'CreateMultipartUpload';
  if (method === 'PUT' && query.has('uploadId')) return copies ? 'UploadPartCopy' : 'UploadPart';
  if (method === 'GET' && query.has('uploadId')) return 'ListParts';
  if (method === 'POST' && query.has('uploadId')) return 'CompleteMultipartUpload';
  if (method === 'DELETE' && query.has('uploadId')) return 'AbortMultipartUpload';
  const plain: Record<string, string> = {
    GET: 'GetObject',
    HEAD: 'HeadObject',
    DELETE: 'DeleteObject',
    PUT: copies ? 'CopyObject' : 'PutObject',
  };
  return plain[method] ?? `${method} object?${query}`;
};

const isBefore = (fault: Fault): boolean => ['error', 'drop', 'hang'].includes(fault.kind) && !('after' in fault && fault.after === true);

const refuse = (fault: Fault, request: IncomingMessage, response: ServerResponse): void => {
  if (fault.kind === 'drop') request.socket.destroy();
  if (fault.kind === 'error') send(request, response, failure(new S3Error(fault.status, fault.code, fault.message)));
};

const failure = (error: unknown): Answer => {
  const { status, code, message } = error instanceof S3Error ? error : { status: 500, code: 'InternalError', message: String(error) };
  return {
    status,
    headers: { 'content-type': 'application/xml' },
    body: xml('Error', { Code: code, Message: message, RequestId: 'fake' }),
  };
};

const send = (request: IncomingMessage, response: ServerResponse, answer: Answer): void => {
  const headers = Object.entries(answer.headers ?? {}).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const body = request.method === 'HEAD' ? undefined : answer.body;
  const length = answer.headers?.['content-length'] ?? String(body === undefined ? 0 : Buffer.byteLength(body));
  response.writeHead(answer.status ?? 200, {
    ...Object.fromEntries(headers),
    'content-length': length,
    'x-amz-request-id': randomBytes(8).toString('hex'),
  });
  // An answer that comes before the request's body has been read closes the connection, as S3 does.
  if (!request.complete) response.shouldKeepAlive = false;
  response.end(body);
};

const sendFaulty = async (request: IncomingMessage, response: ServerResponse, answer: Answer, fault: Fault | undefined): Promise<void> => {
  if (fault?.kind === 'checksum')
    return send(request, response, { ...answer, headers: { ...answer.headers, 'x-amz-checksum-crc32': 'AAAAAA==' } });
  if (!Buffer.isBuffer(answer.body) || fault === undefined) return send(request, response, answer);
  const { body } = answer;
  if (fault.kind === 'flip') {
    const flipped = Buffer.from(body);
    flipped.writeUInt8(flipped.readUInt8(fault.at) ^ 1, fault.at);
    return send(request, response, { ...answer, body: flipped });
  }
  if (fault.kind === 'short')
    return send(request, response, {
      ...answer,
      body: body.subarray(0, fault.bytes),
      headers: { ...answer.headers, 'content-length': String(fault.bytes) },
    });
  if (fault.kind !== 'cut' && fault.kind !== 'stall') return send(request, response, answer);
  const headers = Object.entries(answer.headers ?? {}).filter((entry): entry is [string, string] => entry[1] !== undefined);
  response.writeHead(answer.status ?? 200, Object.fromEntries(headers));
  await new Promise<void>((resolve) => response.write(body.subarray(0, fault.bytes), () => resolve()));
  if (fault.kind === 'cut') request.socket.destroy();
};
