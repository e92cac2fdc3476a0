import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { LifeboatError } from '../../../errors.ts';
import { parseJson } from '../../../json.ts';
import type { Login } from './login.ts';

/** Longest wait for an answer, in milliseconds; a synchronous dump or restore of a large repository takes minutes. */
const ANSWER_MS = 60_000;
export const LONG_ANSWER_MS = 10 * 60_000;

/** Answers are pages and records; what is larger than this is none of them. */
const ANSWER_MAX_BYTES = 64 * 1024 * 1024;

/** Tries of what a server under load refuses, or an answer that was lost on its way, and the wait between them in milliseconds. */
const TRIES = 5;
const WAIT_MS = 300;

/** What lakeFS answered when it was not what was hoped for. */
export interface Refusal {
  readonly status: number;
  /** lakeFS's own words. */
  readonly message: string;
}

export interface Request {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'PATCH';
  /** Below /api/v1; every part is encoded. */
  readonly path: readonly string[];
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly timeoutMs?: number;
  /** Only what may be carried out twice is sent again after an answer was lost. */
  readonly repeatable?: boolean;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

export interface Client {
  readonly login: Login;
  /** The answer, whatever its status but 401, 403, 429 and 5xx. Fails with LoginFailed, PermissionDenied, ConnectionRefused, ConnectionLost, SourceBusy. */
  send(request: Request): Promise<Answer>;
  /** The bytes of an object; an answer that is none comes back as a refusal. */
  stream(request: Request): Promise<AsyncIterable<Uint8Array> | Refusal>;
}

const Message = z.object({ message: z.string() });

export const openClient = (login: Login, signal?: AbortSignal): Client => {
  const authorization = `Basic ${Buffer.from(`${login.accessKeyId}:${login.secretAccessKey}`).toString('base64')}`;

  const open = async (request: Request): Promise<Response> => {
    const url = new URL(`${login.api}/${request.path.map(encodeURIComponent).join('/')}`);
    for (const [name, value] of Object.entries(request.query ?? {})) if (value !== undefined) url.searchParams.set(name, String(value));
    const repeatable = request.repeatable ?? request.method === 'GET';
    for (let tries = 1; ; tries++) {
      signal?.throwIfAborted();
      const timeout = AbortSignal.timeout(request.timeoutMs ?? ANSWER_MS);
      try {
        const response = await fetch(url, {
          method: request.method,
          headers: { authorization, ...(request.body === undefined ? {} : { 'content-type': 'application/json' }) },
          ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
          signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
          redirect: 'error',
        });
        if (!isBusy(response.status) || tries === TRIES) return response;
        await response.body?.cancel();
      } catch (cause) {
        signal?.throwIfAborted();
        if (isRefused(cause) || !repeatable || tries === TRIES) throw unreachable(login, request, cause);
      }
      await sleep(WAIT_MS * 2 ** tries * (0.5 + Math.random() / 2), undefined, signal === undefined ? {} : { signal });
    }
  };

  const checked = async (request: Request): Promise<Response> => {
    const response = await open(request);
    if (response.status < 500 && response.status !== 401 && response.status !== 403 && response.status !== 429) return response;
    const { message } = await refusalOf(response);
    throw refused(login, request, response.status, message);
  };

  return {
    login,
    async send(request) {
      const response = await checked(request);
      const text = await readText(response, login, request);
      return { status: response.status, headers: response.headers, body: parse(text) };
    },
    async stream(request) {
      const response = await checked(request);
      if (response.status !== 200 || response.body === null) return refusalOf(response);
      return response.body;
    },
  };
};

const isBusy = (status: number): boolean => status === 429 || status === 503;

const parse = (text: string): unknown => {
  if (text === '') return null;
  try {
    return parseJson(text);
  } catch {
    return text;
  }
};

const readText = async (response: Response, login: Login, request: Request): Promise<string> => {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response.body ?? []) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > ANSWER_MAX_BYTES)
        throw new LifeboatError('SourceProblem', `${labelOf(request)} answered more than ${ANSWER_MAX_BYTES} bytes`);
    }
  } catch (cause) {
    throw cause instanceof LifeboatError ? cause : unreachable(login, request, cause);
  }
  return Buffer.concat(chunks).toString('utf8');
};

const refusalOf = async (response: Response): Promise<Refusal> => {
  const parsed = Message.safeParse(parse(await response.text()));
  return { status: response.status, message: parsed.success ? parsed.data.message : response.statusText };
};

/** What an answer says, for messages. */
export const messageOf = ({ status, body }: Pick<Answer, 'status' | 'body'>): string => {
  const parsed = Message.safeParse(body);
  return parsed.success ? (parsed.data.message.split('\n', 1)[0] ?? '') : `status ${status}`;
};

export const labelOf = ({ method, path }: Pick<Request, 'method' | 'path'>): string => `${method} /${path.join('/')}`;

const isRefused = (error: unknown): boolean =>
  typeof error === 'object' &&
  error !== null &&
  (('code' in error && (error.code === 'ECONNREFUSED' || error.code === 'ENOTFOUND')) || ('cause' in error && isRefused(error.cause)));

const unreachable = (login: Login, request: Request, cause: unknown): LifeboatError =>
  isRefused(cause)
    ? new LifeboatError('ConnectionRefused', `no lakeFS answers at ${login.api}`, {
        hint: 'Check the endpoint, and that the server runs.',
        cause,
      })
    : new LifeboatError('ConnectionLost', `the connection to ${login.api} broke at ${labelOf(request)}`, { hint: 'Try again.', cause });

const refused = (login: Login, request: Request, status: number, message: string): LifeboatError => {
  const text = `lakeFS refused ${labelOf(request)}: ${message}`;
  if (status === 401)
    return new LifeboatError('LoginFailed', `lakeFS at ${login.api} does not know this access key, or its secret is wrong`, {
      hint: 'Check access key and secret.',
    });
  if (status === 403)
    return new LifeboatError('PermissionDenied', text, {
      hint: 'The user of the access key needs this permission, or the repository or branch is protected or read-only.',
    });
  if (isBusy(status)) return new LifeboatError('SourceBusy', text, { hint: 'The server asked for less load; try again later.' });
  return new LifeboatError('ServerFailed', `lakeFS failed at ${labelOf(request)}: ${message}`, {
    hint: 'Look into the log of the lakeFS server.',
  });
};
