import { createHash, createHmac } from 'node:crypto';
import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Place } from './s3-client.ts';

/** Connections kept for small requests: two tasks of copies at the same time. */
const SOCKETS = 256;
const ANSWER_MS = 60_000;
const EMPTY_SHA256 = createHash('sha256').digest('hex');
const ORDINARY_REGION = /^(af|ap|ca|eu|il|me|mx|sa|us)-[a-z]+-\d$/;

const agents = {
  'http:': new http.Agent({ keepAlive: true, maxSockets: SOCKETS }),
  'https:': new https.Agent({ keepAlive: true, maxSockets: SOCKETS }),
};

/** Signing keys by day; a Place lives as long as its process. */
const keys = new WeakMap<Place, { readonly scope: string; readonly secret: string; readonly key: Buffer }>();

/** A request without a body, and how much of an answer is expected. */
export interface QuickRequest {
  readonly method: 'GET' | 'PUT';
  /** Full key; absent for the bucket itself. */
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly answerBytes: number;
}

/**
 * One small request without the SDK, which takes several times as long over it as S3 does. Undefined where something is out of the
 * ordinary, whatever it was, also an answer that is not 200: the SDK then asks again, and knows what to make of it.
 */
export const quickRequest = async (place: Place, request: QuickRequest, signal: AbortSignal | undefined): Promise<string | undefined> => {
  const url = await urlOf(place, request);
  if (url === undefined) return undefined;
  try {
    const { status, body } = await sendOnce(url, request, await signed(place, url, request), signal);
    return status === 200 ? body : undefined;
  } catch {
    signal?.throwIfAborted();
    return undefined;
  }
};

/** Undefined where finding the address is the SDK's business. */
const urlOf = async ({ client: { config }, bucket }: Place, { key, query = {} }: QuickRequest): Promise<URL | undefined> => {
  if ((await config.useFipsEndpoint()) || (await config.useDualstackEndpoint())) return undefined;
  const path = key === undefined ? '' : `/${key.split('/').map(encode).join('/')}`;
  const search = Object.keys(query)
    .sort()
    .map((name) => `${encode(name)}=${encode(query[name] ?? '')}`)
    .join('&');
  const rest = search === '' ? '' : `?${search}`;
  if (config.endpoint !== undefined) {
    const { protocol, hostname, port, path: base } = await config.endpoint();
    if (config.forcePathStyle !== true || base !== '/') return undefined;
    return new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}/${bucket}${path}${rest}`);
  }
  const region = await config.region();
  if (!ORDINARY_REGION.test(region) || bucket.includes('.')) return undefined;
  return new URL(`https://${bucket}.s3.${region}.amazonaws.com${path === '' ? '/' : path}${rest}`);
};

/** As Signature Version 4 wants it: all but the unreserved characters. */
const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

const signed = async (place: Place, url: URL, { method, headers: own = {} }: QuickRequest): Promise<Record<string, string>> => {
  const { accessKeyId, secretAccessKey, sessionToken } = await place.client.config.credentials();
  const region = await place.client.config.region();
  const time = new Date(Date.now() + (place.client.config.systemClockOffset ?? 0)).toISOString().replace(/[-:]|\.\d+/g, '');
  const scope = `${time.slice(0, 8)}/${region}/s3/aws4_request`;
  const all: Record<string, string> = {
    host: url.host,
    'x-amz-content-sha256': EMPTY_SHA256,
    'x-amz-date': time,
    ...(sessionToken === undefined ? {} : { 'x-amz-security-token': sessionToken }),
    ...own,
  };
  const headers = Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
  const names = Object.keys(headers).join(';');
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
  const canonical = `${method}\n${url.pathname}\n${url.search.slice(1)}\n${lines.join('')}\n${names}\n${EMPTY_SHA256}`;
  const text = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${createHash('sha256').update(canonical).digest('hex')}`;
  const signature = createHmac('sha256', keyFor(place, secretAccessKey, scope))
    .update(text)
    .digest('hex');
  return {
    ...headers,
    ...(method === 'PUT' ? { 'content-length': '0' } : {}),
    'user-agent': userAgent(),
    authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`,
  };
};

/** With the id that the SDK, too, tells S3, whose logs show by it who asked. */
const userAgent = (): string => {
  const id = process.env['AWS_SDK_UA_APP_ID'];
  return id === undefined ? 'lifeboat' : `lifeboat app/${id}`;
};

const keyFor = (place: Place, secret: string, scope: string): Buffer => {
  const known = keys.get(place);
  if (known?.scope === scope && known.secret === secret) return known.key;
  const key = scope.split('/').reduce<Buffer>((of, part) => createHmac('sha256', of).update(part).digest(), Buffer.from(`AWS4${secret}`));
  keys.set(place, { scope, secret, key });
  return key;
};

const sendOnce = (
  url: URL,
  { method, answerBytes }: QuickRequest,
  headers: Record<string, string>,
  signal: AbortSignal | undefined,
): Promise<{ readonly status: number; readonly body: string }> =>
  new Promise((resolve, reject) => {
    const secure = url.protocol === 'https:';
    const options = {
      method,
      hostname: url.hostname,
      port: url.port,
      path: `${url.pathname}${url.search}`,
      headers,
      timeout: ANSWER_MS,
      agent: agents[secure ? 'https:' : 'http:'],
      ...(signal === undefined ? {} : { signal }),
    };
    const request: ClientRequest = (secure ? https : http).request(options, (response: IncomingMessage) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes > answerBytes) request.destroy(new Error('an answer that is none'));
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }));
    });
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('error', reject);
    request.end();
  });
