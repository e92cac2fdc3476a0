import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { callerOf } from './services.ts';

/** A request on its way to a double of a service. */
export interface Passed {
  /** The function that made it. */
  readonly by: string;
  /** What its signature is for. */
  readonly region: string;
  readonly accessKey: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Recorder {
  readonly endpoint: string;
  readonly passed: readonly Passed[];
  stop(): Promise<void>;
}

const CREDENTIAL = /Credential=([^/]+)\/\d{8}\/([^/]+)\//;

/** Hands every request on to `endpoint`, and keeps who made it. `note` sees it before that, while what it is about is still there. */
export const startRecorder = async (endpoint: string, note: (request: Passed) => void = () => undefined): Promise<Recorder> => {
  const passed: Passed[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const [, accessKey = '', region = ''] = CREDENTIAL.exec(request.headers.authorization ?? '') ?? [];
    const seen = { by: callerOf(request.headers), region, accessKey, headers: request.headers, body: Buffer.concat(chunks).toString() };
    passed.push(seen);
    note(seen);
    const kept = Object.entries(request.headers).flatMap(([name, value]): [string, string][] =>
      typeof value === 'string' && /^(authorization|content-type|x-amz-.*)$/.test(name) ? [[name, value]] : [],
    );
    const answer = await fetch(endpoint, { method: 'POST', headers: kept, body: seen.body });
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'text/xml' }).end(await answer.text());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    passed,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
};
