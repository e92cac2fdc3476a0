import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { commit, openRepository, Refused, type Repository } from './lakefs-repository.ts';
import { type Answer, route, type State } from './lakefs-routes.ts';

/**
 * A server that answers as lakeFS 1.84 was recorded to (test/fixtures/lakefs), over a folder with real metadata files. What the real
 * one does wrong now and then, it does when a test asks for it.
 */
export interface LakefsServer {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Requests that arrived: `PUT /repositories/sample/refs/dump`. */
  readonly seen: string[];
  readonly repositories: Map<string, Repository>;
  readonly play: Play;
  /** A repository with a first commit of nothing on its default branch. */
  make(id: string, namespace: string, defaultBranch?: string): Repository;
  stop(): Promise<void>;
}

export interface Play {
  /** So many asynchronous dumps lack the last commit of the default branch. */
  tornDumps: number;
  /** Tasks say `done: false` for ever, as after the server was killed. */
  tasksHang: boolean;
  /** Asynchronous dumps end with this error. */
  dumpError: string | undefined;
  /** Milliseconds for which the name of a deleted repository is still taken. */
  namesStickMs: number;
  /** A restore that answers success and loads no tags. */
  losesTags: boolean;
  /** Answers to the next requests that match, in order. */
  readonly faults: { readonly match: RegExp; readonly status: number; readonly message: string; times: number }[];
}

export const startLakefsServer = async (root: string): Promise<LakefsServer> => {
  const state: State = { tasks: new Map(), deleted: new Map() };
  const http = createServer((request, response) => {
    respond(request).then(
      ({ status, body, bytes }) => {
        response.writeHead(status, { 'content-type': bytes === undefined ? 'application/json' : 'application/octet-stream' });
        response.end(bytes ?? (body === undefined ? undefined : JSON.stringify(body)));
      },
      (error: unknown) => {
        const status = error instanceof Refused ? error.status : 500;
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ message: error instanceof Error ? error.message : String(error) }));
      },
    );
  });

  const respond = async (request: IncomingMessage): Promise<Answer> => {
    const url = new URL(request.url ?? '/', 'http://x');
    const path = url.pathname.replace(/^\/api\/v1/, '');
    const line = `${request.method} ${decodeURIComponent(path)}`;
    server.seen.push(line);
    const raw = await bodyOf(request);
    if (request.headers.authorization !== `Basic ${Buffer.from(`${server.accessKeyId}:${server.secretAccessKey}`).toString('base64')}`)
      throw new Refused(401, 'error authenticating request');
    const fault = server.play.faults.find(({ match, times }) => times > 0 && match.test(line));
    if (fault !== undefined) {
      fault.times -= 1;
      throw new Refused(fault.status, fault.message);
    }
    const json = request.headers['content-type'] === 'application/json' && raw.length > 0;
    const body = json ? JSON.parse(raw.toString('utf8')) : {};
    return route(line, {
      server,
      root,
      state,
      query: url.searchParams,
      body,
      raw,
      parts: path.split('/').slice(1).map(decodeURIComponent),
    });
  };

  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port } = http.address() as AddressInfo;
  const server: LakefsServer = {
    endpoint: `http://127.0.0.1:${port}`,
    accessKeyId: 'AKIALIFEBOATLAB00001',
    secretAccessKey: 'lab/secret',
    seen: [],
    repositories: new Map(),
    play: { tornDumps: 0, tasksHang: false, dumpError: undefined, namesStickMs: 0, losesTags: false, faults: [] },
    make(id, namespace, defaultBranch = 'main') {
      const repository = openRepository(root, id, namespace, defaultBranch);
      server.repositories.set(id, repository);
      commit(repository, defaultBranch, 'Repository created');
      return repository;
    },
    stop: () => stop(http),
  };
  return server;
};

const stop = (http: Server): Promise<void> =>
  new Promise((resolve) => {
    http.close(() => resolve());
    http.closeAllConnections();
  });

const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
};
