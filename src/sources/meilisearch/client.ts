import http from 'node:http';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import { LifeboatError } from '../../errors.ts';
import { parseIfJson } from '../../json.ts';
import type { Services } from '../contract.ts';
import type { InstanceAddress } from './address.ts';
import { errorOf, requestFailed } from './http-errors.ts';

/** An answer that is larger than this is not read, in bytes: pages are asked for in sizes far below. */
const ANSWER_MAX = 512 * 1024 * 1024;

/** Silence on a connection after which it is given up, in milliseconds; a page of a busy server takes seconds. */
const SILENCE_MS = 120_000;

/** Tries of a request that only reads, and the pause after each, in milliseconds. */
const READ_TRIES = 3;
const PAUSE_MS = 300;

export interface RequestOptions {
  readonly query?: Readonly<Record<string, string | number | boolean>>;
  readonly json?: unknown;
  readonly body?: { readonly bytes: Uint8Array; readonly type: string; readonly encoding?: string };
  /** Changes nothing on the server, whatever its method: may be tried again. */
  readonly reads?: boolean;
  /** Room for an answer of so many bytes; else a new buffer is made. */
  readonly room?: (bytes: number) => Buffer;
  /** Statuses that are an answer and no error. */
  readonly accept?: readonly number[];
}

export interface Answer {
  readonly status: number;
  readonly bytes: Buffer;
  /** The server's clock, where it says so. */
  readonly date: Date | undefined;
}

export interface Client {
  readonly address: InstanceAddress;
  /** Empty when there is no key. */
  readonly key: string;
  request(method: string, path: string, options?: RequestOptions): Promise<Answer>;
  json<T>(schema: z.ZodType<T>, method: string, path: string, options?: RequestOptions): Promise<T>;
}

/** Runs `use` with connections of its own, which end with it. */
export const withClient = async <Result>(
  address: InstanceAddress,
  services: Services,
  signal: AbortSignal | undefined,
  use: (client: Client) => Promise<Result>,
): Promise<Result> => {
  const key = await keyOf(address, services);
  const agent = new (address.url.startsWith('https:') ? https : http).Agent({ keepAlive: true });
  try {
    return await use(openClient({ address, key, agent, signal }));
  } finally {
    agent.destroy();
  }
};

const keyOf = async ({ apiKey, inlineApiKey }: InstanceAddress, services: Services): Promise<string> => {
  if (inlineApiKey !== undefined) return inlineApiKey;
  if (apiKey !== undefined) return services.secret(apiKey);
  return process.env['MEILI_MASTER_KEY'] ?? '';
};

interface Means {
  readonly address: InstanceAddress;
  readonly key: string;
  readonly agent: http.Agent;
  readonly signal: AbortSignal | undefined;
}

const openClient = (means: Means): Client => {
  const request = async (method: string, path: string, options: RequestOptions = {}): Promise<Answer> => {
    const tries = method === 'GET' || options.reads === true ? READ_TRIES : 1;
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await send(means, method, path, options);
        if (answer.status < 300 || options.accept?.includes(answer.status) === true) return answer;
        throw errorOf(means.address, method, path, answer);
      } catch (error) {
        if (attempt >= tries || !(error instanceof LifeboatError) || !error.retryable) throw error;
        await sleep(PAUSE_MS * attempt, undefined, means.signal === undefined ? {} : { signal: means.signal });
      }
    }
  };
  return {
    address: means.address,
    key: means.key,
    request,
    json: async (schema, method, path, options) => {
      const { bytes } = await request(method, path, options);
      const parsed = schema.safeParse(parseIfJson(bytes.toString('utf8')));
      if (parsed.success) return parsed.data;
      throw new LifeboatError('SourceProblem', `${method} ${path} at ${means.address.url} answered something else than Meilisearch does`, {
        hint: 'Check the URL, and what is between Lifeboat and Meilisearch.',
        cause: parsed.error,
      });
    },
  };
};

const send = ({ address, key, agent, signal }: Means, method: string, path: string, options: RequestOptions): Promise<Answer> => {
  const query = new URLSearchParams(Object.entries(options.query ?? {}).map(([name, value]): [string, string] => [name, String(value)]));
  const url = new URL(`${address.url}${path}${query.size === 0 ? '' : `?${query}`}`);
  const body: RequestOptions['body'] =
    options.body ??
    (options.json === undefined ? undefined : { bytes: Buffer.from(JSON.stringify(options.json)), type: 'application/json' });
  const headers: http.OutgoingHttpHeaders = {
    // The server compresses on one thread, and slower than the network.
    'accept-encoding': 'identity',
    ...(key === '' ? {} : { authorization: `Bearer ${key}` }),
    ...(body === undefined ? {} : { 'content-type': body.type, 'content-length': body.bytes.length }),
    ...(body?.encoding === undefined ? {} : { 'content-encoding': body.encoding }),
  };
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => reject(requestFailed(address, method, path, error, signal));
    const request = (url.protocol === 'https:' ? https : http).request(
      url,
      { method, headers, agent, timeout: SILENCE_MS, ...(signal === undefined ? {} : { signal }) },
      (response) => {
        const said = Number(response.headers['content-length'] ?? Number.NaN);
        // A page is copied once where its length is known, and not held twice.
        const whole = said > 0 && said <= ANSWER_MAX ? (options.room ?? Buffer.allocUnsafeSlow)(said) : undefined;
        const parts: Buffer[] = [];
        let length = 0;
        response.on('error', fail);
        response.on('data', (part: Buffer) => {
          if (length + part.length > ANSWER_MAX) request.destroy(new Error(`an answer of more than ${ANSWER_MAX} bytes`));
          else if (whole === undefined) parts.push(part);
          else part.copy(whole, length);
          length += part.length;
        });
        response.on('end', () => {
          const date = response.headers.date === undefined ? undefined : new Date(response.headers.date);
          resolve({
            status: response.statusCode ?? 0,
            bytes: whole?.subarray(0, length) ?? Buffer.concat(parts),
            date,
          });
        });
        response.on('aborted', () => fail(new Error('the answer was cut')));
      },
    );
    request.on('timeout', () => request.destroy(new Error(`no answer for ${SILENCE_MS / 1000} s`)));
    request.on('error', fail);
    request.end(body?.bytes);
  });
};
