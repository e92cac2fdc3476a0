import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join, relative } from 'node:path';
import { type LakefsServer, startLakefsServer } from '../../support/lakefs-server.ts';
import { type Bucket, current, etagOf, store } from '../../support/s3-fake/buckets.ts';
import type { S3Server } from '../../support/s3-server.ts';

/** lakeFS over buckets: the server of the tests, which keeps namespaces in folders, and what makes S3 of them. */
export interface Lake {
  readonly endpoint: string;
  readonly server: LakefsServer;
  stop(): Promise<void>;
}

/** The first folder of a namespace is its bucket. */
export const startLake = async (folder: string, s3: S3Server, buckets: readonly string[]): Promise<Lake> => {
  const opened = new Map(buckets.map((name): [string, Bucket] => [name, s3.addBucket(name, { versioned: true })]));
  const server = await startLakefsServer(folder);
  const toFolder = (): void => {
    for (const [name, bucket] of opened)
      for (const key of bucket.objects.keys()) {
        const path = join(folder, name, key);
        const version = current(bucket, key);
        if (version === undefined) continue;
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, version.bytes);
      }
  };
  const toBuckets = (): void => {
    for (const [name, bucket] of opened) {
      mkdirSync(join(folder, name), { recursive: true });
      for (const entry of readdirSync(join(folder, name), { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue;
        const path = join(entry.parentPath, entry.name);
        const key = relative(join(folder, name), path);
        // What was deleted from the bucket has a marker there, and stays deleted.
        if (bucket.objects.has(key)) continue;
        const bytes = readFileSync(path);
        store(bucket, key, { bytes, etag: etagOf(bytes), checksum: undefined, headers: {} });
      }
    }
  };
  const proxy = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { authorization = '', 'content-type': type = '' } = request.headers;
    const isJson = (contentType: string): boolean => contentType.includes('json');
    const sent = Buffer.concat(chunks);
    toFolder();
    const answer = await fetch(`${server.endpoint}${request.url}`, {
      method: request.method ?? 'GET',
      headers: { authorization, ...(type === '' ? {} : { 'content-type': type }) },
      ...(sent.length === 0 ? {} : { body: isJson(type) ? sent.toString().replaceAll('s3://', 'local://') : sent }),
    });
    toBuckets();
    const contentType = answer.headers.get('content-type') ?? 'application/json';
    const body = Buffer.from(await answer.arrayBuffer());
    const answered = isJson(contentType) ? body.toString().replaceAll('local://', 's3://').replaceAll('"local"', '"s3"') : body;
    response.writeHead(answer.status, { 'content-type': contentType }).end(answer.status === 204 ? undefined : answered);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    server,
    async stop() {
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
      await server.stop();
    },
  };
};
