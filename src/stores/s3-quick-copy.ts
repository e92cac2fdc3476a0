import { createHash, createHmac } from 'node:crypto';
import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Place } from './s3-client.ts';

/** Connections kept for copies. */
const SOCKETS = 64;
/** An answer is a few hundred bytes of XML. */
const ANSWER_MAX_BYTES = 16 * 1024;
const ANSWER_MS = 60_000;
const EMPTY_SHA256 = createHash('sha256').digest('hex');
const ORDINARY_REGION = /^(af|ap|ca|eu|il|me|mx|sa|us)-[a-z]+-\d$/;

const agents = {
  'http:': new http.Agent({ keepAlive: true, maxSockets: SOCKETS }),
  'https:': new https.Agent({ keepAlive: true, maxSockets: SOCKETS }),
};

/** Signing keys by day; a Place lives as long as its process. */
const keys = new WeakMap<Place, { readonly scope: string; readonly secret: string; readonly key: Buffer }>();

/**
 * One CopyObject without the SDK, which takes ten times as long to make a request as S3 to answer it where objects are small. True
 * when it was carried out; in every other case, whatever it was, false: the SDK then asks again, and knows what to make of the answer.
 */
export const quickCopy = async (place: Place, fullKey: string, source: string, signal: AbortSignal | undefined): Promise<boolean> => {
  const url = await urlOf(place, fullKey);
  if (url === undefined) return false;
  try {
    const { status, body } = await sendOnce(url, await signed(place, url, source), signal);
    // S3 may answer 200 first and say in the body that it failed.
    return status === 200 && body.includes('<ETag>') && !body.includes('<Error>');
  } catch {
    signal?.throwIfAborted();
    return false;
  }
};

/** Undefined where finding the address is the SDK's business. */
const urlOf = async ({ client: { config }, bucket }: Place, fullKey: string): Promise<URL | undefined> => {
  if ((await config.useFipsEndpoint()) || (await config.useDualstackEndpoint())) return undefined;
  const path = fullKey.split('/').map(encode).join('/');
  if (config.endpoint !== undefined) {
    const { protocol, hostname, port, path: base } = await config.endpoint();
    if (config.forcePathStyle !== true || base !== '/') return undefined;
    return new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}/${bucket}/${path}`);
  }
  const region = await config.region();
  if (!ORDINARY_REGION.test(region) || bucket.includes('.')) return undefined;
  return new URL(`https://${bucket}.s3.${region}.amazonaws.com/${path}`);
};

/** As Signature Version 4 wants it: all but the unreserved characters. */
const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

const signed = async (place: Place, url: URL, source: string): Promise<Record<string, string>> => {
  const { accessKeyId, secretAccessKey, sessionToken } = await place.client.config.credentials();
  const region = await place.client.config.region();
  const time = new Date(Date.now() + (place.client.config.systemClockOffset ?? 0)).toISOString().replace(/[-:]|\.\d+/g, '');
  const scope = `${time.slice(0, 8)}/${region}/s3/aws4_request`;
  const headers: Record<string, string> = {
    host: url.host,
    'if-none-match': '*',
    'x-amz-content-sha256': EMPTY_SHA256,
    'x-amz-copy-source': source,
    'x-amz-date': time,
    ...(sessionToken === undefined ? {} : { 'x-amz-security-token': sessionToken }),
    'x-amz-tagging-directive': 'REPLACE',
  };
  const names = Object.keys(headers).join(';');
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
  const canonical = `PUT\n${url.pathname}\n\n${lines.join('')}\n${names}\n${EMPTY_SHA256}`;
  const text = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${createHash('sha256').update(canonical).digest('hex')}`;
  const signature = createHmac('sha256', keyFor(place, secretAccessKey, scope))
    .update(text)
    .digest('hex');
  return {
    ...headers,
    'content-length': '0',
    authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`,
  };
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
  headers: Record<string, string>,
  signal: AbortSignal | undefined,
): Promise<{ readonly status: number; readonly body: string }> =>
  new Promise((resolve, reject) => {
    const secure = url.protocol === 'https:';
    const options = {
      method: 'PUT',
      hostname: url.hostname,
      port: url.port,
      path: url.pathname,
      headers,
      timeout: ANSWER_MS,
      agent: agents[secure ? 'https:' : 'http:'],
      ...(signal === undefined ? {} : { signal }),
    };
    const request: ClientRequest = (secure ? https : http).request(options, (response: IncomingMessage) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
        if (body.length > ANSWER_MAX_BYTES) request.destroy(new Error('an answer that is none'));
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('error', reject);
    request.end();
  });
