import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import { REGION } from './template.ts';

/** A call of a service that speaks JSON, with the id that its caller's user agent has. */
export interface ServiceCall {
  readonly by: string;
  readonly action: string;
  readonly resource: string;
  /** Keys that a condition may ask for. */
  readonly context?: Readonly<Record<string, string>>;
}

export interface Services {
  readonly endpoint: string;
  readonly calls: readonly ServiceCall[];
  stop(): Promise<void>;
}

const Body = z.object({ SecretId: z.string().optional(), executionArn: z.string().optional() });

/** What everybody has who asks the doubles. */
export const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: REGION };

/** The test itself, whose requests nobody has to be allowed. */
export const TEST = 'the-test';

/** Requests of the test's own stores say that they are. */
export const askAsTest = (): void => void Object.assign(process.env, CREDENTIALS, { AWS_SDK_UA_APP_ID: TEST });

/** The name of the function that made a request: in X-Ray's header, or in the user agent of who asks without the SDK. */
export const callerOf = (headers: IncomingMessage['headers']): string =>
  /^Root=([a-z0-9-]+)$/.exec(String(headers['x-amzn-trace-id']))?.[1] ??
  / app\/([a-z0-9-]*[a-z0-9])/.exec(` ${headers['user-agent'] ?? ''}`)?.[1] ??
  '';

/** Secrets Manager and Step Functions, as far as the steps call them. */
export const startServices = async (secrets: ReadonlyMap<string, string>, running: ReadonlySet<string>): Promise<Services> => {
  const calls: ServiceCall[] = [];
  const answer = (target: string, body: z.infer<typeof Body>, by: string): { readonly status: number; readonly json: unknown } => {
    if (target === 'secretsmanager.GetSecretValue') {
      calls.push({ by, action: 'secretsmanager:GetSecretValue', resource: body.SecretId ?? '' });
      const SecretString = secrets.get(body.SecretId ?? '');
      return SecretString === undefined
        ? { status: 400, json: { __type: 'ResourceNotFoundException' } }
        : { status: 200, json: { ARN: body.SecretId, SecretString } };
    }
    if (target === 'AWSStepFunctions.DescribeExecution') {
      const executionArn = body.executionArn ?? '';
      calls.push({ by, action: 'states:DescribeExecution', resource: executionArn });
      return { status: 200, json: { executionArn, status: running.has(executionArn) ? 'RUNNING' : 'FAILED' } };
    }
    return { status: 400, json: { __type: 'UnknownOperationException', message: target } };
  };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { status, json } = answer(
      String(request.headers['x-amz-target']),
      Body.parse(JSON.parse(Buffer.concat(chunks).toString())),
      callerOf(request.headers),
    );
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(json));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    calls,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
};
