import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LifeboatError } from '../errors.ts';
import type { S3Options } from './s3-client.ts';
import type { Store } from './store.ts';

export type StoreOptions = S3Options;

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/** With KEY_MAX_BYTES it makes S3's 1024. */
const PREFIX_MAX_BYTES = 120;

const HINT = 'A store is s3://bucket/prefix or file:///absolute/path.';

/** Opens a store by its URL; nothing is read or written yet. Fails with ConfigInvalid. */
export const openStore = async (url: string, options: StoreOptions = {}): Promise<Store> => {
  const parsed = parse(url);
  // Each only where it is used: the AWS SDK takes longer to load than a command to run.
  if (parsed.protocol === 'file:') {
    const root = folderOf(parsed);
    return (await import('./file.ts')).fileStore(root);
  }
  if (parsed.protocol === 's3:') {
    const { bucket, prefix } = placeOf(parsed);
    return (await import('./s3.ts')).s3Store(bucket, prefix, options);
  }
  throw invalid(`stores have no URLs that begin with ${parsed.protocol}`);
};

const parse = (url: string): URL => {
  if (!URL.canParse(url)) throw invalid('the URL of the store is none');
  const parsed = new URL(url);
  // Not repeated in the message: it may be a secret.
  if (parsed.username !== '' || parsed.password !== '') throw invalid('the URL of a store has no user or password');
  if (parsed.search !== '' || parsed.hash !== '') throw invalid('the URL of a store has no ? or #');
  return parsed;
};

const folderOf = (url: URL): string => {
  if (url.host !== '') throw invalid(`store file://${url.host}${url.pathname} names a host`);
  const path = resolve(fileURLToPath(url));
  if (path === '/') throw invalid('the root of the file system is no store');
  return path;
};

const placeOf = (url: URL): { readonly bucket: string; readonly prefix: string } => {
  if (!BUCKET.test(url.host)) throw invalid(`"${url.host}" is no name of a bucket`);
  const prefix = decoded(url.pathname).replace(/^\/|\/$/g, '');
  if (prefix === '') return { bucket: url.host, prefix };
  if (prefix.length > PREFIX_MAX_BYTES) throw invalid(`the prefix of s3://${url.host} is longer than ${PREFIX_MAX_BYTES} bytes`);
  if (!/^[\x21-\x7e]+$/.test(prefix) || prefix.includes('//')) throw invalid(`"${prefix}" is no prefix for keys`);
  return { bucket: url.host, prefix: `${prefix}/` };
};

const decoded = (path: string): string => {
  try {
    return decodeURIComponent(path);
  } catch (cause) {
    throw new LifeboatError('ConfigInvalid', `"${path}" is no prefix for keys`, { hint: HINT, cause });
  }
};

const invalid = (message: string): LifeboatError => new LifeboatError('ConfigInvalid', message, { hint: HINT });
