/**
 * Answers as an instance with one index of many documents would, from memory: what is measured against it is Lifeboat's side alone. A real
 * 1.50 makes 23 MB/s of pages for one reader and 48 for two on the machine of the anchors.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { documentLine } from './meilisearch-data.ts';

const documents = Number(process.argv[2] ?? 200_000);
const lines: Buffer[] = Array.from({ length: documents }, (_, n) => Buffer.from(documentLine(n)));
const average = Math.round(lines.reduce((sum, line) => sum + line.length, 0) / Math.max(1, documents));
const comma = Buffer.from(',');
const vectors = Buffer.from(',"_vectors":{}}');

const page = (offset: number, limit: number): Buffer => {
  const parts: Buffer[] = [Buffer.from('{"results":[')];
  for (const [n, line] of lines.slice(offset, offset + limit).entries()) {
    if (n > 0) parts.push(comma);
    parts.push(line.subarray(0, -1), vectors);
  }
  parts.push(Buffer.from(`],"offset":${offset},"limit":${limit},"total":${documents}}`));
  return Buffer.concat(parts);
};

const at = '2026-11-21T02:27:33.575336048Z';
const index = { uid: 'big', primaryKey: 'id', createdAt: at, updatedAt: at };
const list = (results: readonly unknown[]) => ({ results, offset: 0, limit: 1000, total: results.length });
const stats = {
  databaseSize: 1,
  lastUpdate: at,
  indexes: { big: { numberOfDocuments: documents, isIndexing: false, rawDocumentDbSize: 1, avgDocumentSize: average / 2 } },
};

const answers: Readonly<Record<string, unknown>> = {
  '/health': { status: 'available' },
  '/version': { pkgVersion: '1.50.0' },
  '/stats': stats,
  '/indexes': list([index]),
  '/indexes/big': index,
  '/indexes/big/settings': { filterableAttributes: ['id'], sortableAttributes: ['id'] },
  '/indexes/big/search': { hits: [], estimatedTotalHits: 0 },
  '/keys': list([]),
  '/experimental-features': {},
  '/webhooks': list([]),
  '/chats': list([]),
  '/tasks': { ...list([]), from: null, next: null },
  '/dynamic-search-rules': list([]),
};

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://here');
  request.resume();
  if (url.pathname === '/indexes/big/documents') {
    response.end(page(Number(url.searchParams.get('offset') ?? 0), Number(url.searchParams.get('limit') ?? 20)));
    return;
  }
  const answer = answers[url.pathname];
  response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' }).end(JSON.stringify(answer ?? {}));
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(
    `${JSON.stringify({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, bytes: average * documents })}\n`,
  );
});
