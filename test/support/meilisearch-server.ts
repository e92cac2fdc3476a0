import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { documentRoutes } from './meilisearch-documents.ts';
import { indexRoutes } from './meilisearch-indexes.ts';
import { instanceRoutes } from './meilisearch-instance.ts';
import { authorize, keyRoutes } from './meilisearch-keys.ts';
import { HttpError, type Instance, type Route, type ServerOptions } from './meilisearch-routes.ts';
import { ruleRoutes } from './meilisearch-rules.ts';
import { addDefaultKeys, emptyState, type State } from './meilisearch-state.ts';
import { taskQueue, taskRoutes } from './meilisearch-tasks.ts';

/** An instance of Meilisearch as far as Lifeboat talks to one; answers as a real 1.50.0 was recorded to. */
export interface MeilisearchServer {
  readonly url: string;
  readonly state: State;
  /** Called before each request; an answer replaces the server's own. */
  before: ((request: Seen) => Fault | undefined | Promise<Fault | undefined>) | undefined;
  readonly requests: Seen[];
  stop(): Promise<void>;
}

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

export type Fault = { readonly status: number; readonly body: unknown } | 'cut';

/** With a state, goes on where another one ended; on a port of its own unless one is given. */
export const startMeilisearch = async (options: ServerOptions = {}, state: State = emptyState(), port = 0): Promise<MeilisearchServer> => {
  const masterKey = options.masterKey === undefined ? 'lab-master-key-0123456789abcdef' : options.masterKey;
  if (masterKey !== null && state.keys.size === 0) addDefaultKeys(state);
  const instance: Instance = {
    options,
    state,
    masterKey,
    keyValue: (uid) =>
      createHmac('sha256', masterKey ?? '')
        .update(uid)
        .digest('hex'),
    enqueue: taskQueue(state, options),
  };
  const routes: readonly Route[] = [indexRoutes, documentRoutes, keyRoutes, ruleRoutes, instanceRoutes, taskRoutes].flatMap((of) =>
    of(instance),
  );

  const requests: Seen[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://here');
    const seen: Seen = { method: request.method ?? '', path: decodeURIComponent(url.pathname), query: url.searchParams };
    requests.push(seen);
    const answer = (status: number, body: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(body === undefined ? undefined : JSON.stringify(body));
    };
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', async () => {
      try {
        const fault = await handle.before?.(seen);
        if (fault === 'cut') return request.socket.destroy();
        if (fault !== undefined) return answer(fault.status, fault.body);
        authorize(instance, request, seen.path);
        const raw = Buffer.concat(parts);
        for (const [method, pattern, run] of routes) {
          const match = pattern.exec(seen.path);
          if (match === null || method !== seen.method) continue;
          const { status = 200, body } = run({
            match,
            query: seen.query,
            body: () => JSON.parse(raw.toString('utf8')),
            raw,
            headers: request.headers,
          });
          return answer(status, body);
        }
        return response.writeHead(404).end();
      } catch (error) {
        if (!(error instanceof HttpError)) return answer(500, { message: String(error), code: 'internal', type: 'internal', link: '' });
        const type = error.status === 401 || error.status === 403 ? 'auth' : 'invalid_request';
        return answer(error.status, {
          message: error.message,
          code: error.code,
          type,
          link: `https://docs.meilisearch.com/errors#${error.code}`,
        });
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const handle: MeilisearchServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    state,
    before: undefined,
    requests,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return handle;
};
