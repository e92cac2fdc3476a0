import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { LifeboatError } from '../errors.ts';
import type { StoreEntry } from './environment.ts';
import { redactUrls } from './redact.ts';

const FILE = 'file://';

/** The folder below a store for what is short-lived or replaced. */
const CONTROL_FOLDER = '.control';

/** Makes a store's URL absolute: `file://./x` is below `root`. Fails with Usage on anything but s3:// and file://. */
export const storeUrl = (url: string, root: string): string => {
  const trimmed = url.replace(/\/+$/, '');
  if (/^s3:\/\/[a-z0-9][a-z0-9.-]+(\/\S*)?$/.test(trimmed)) return trimmed;
  if (trimmed.startsWith(`${FILE}.`)) return withoutSlash(pathToFileURL(resolve(root, trimmed.slice(FILE.length))).href);
  if (trimmed.startsWith(`${FILE}/`)) return withoutSlash(new URL(trimmed).href);
  const hint = url.startsWith('/') || url.startsWith('.') ? `Write file://${url}.` : 'A store is s3://bucket/prefix or file:///path.';
  throw new LifeboatError('Usage', `not the URL of a store: ${redactUrls(url)}`, { hint });
};

export const resolveStore = (place: string | StoreEntry, root: string): StoreEntry =>
  typeof place === 'string' ? { url: storeUrl(place, root) } : { ...place, url: storeUrl(place.url, root) };

/** Without an area of its own, control lies below the store: same bucket, same options. */
export const controlBelow = (store: StoreEntry): StoreEntry => ({ ...store, url: `${store.url}/${CONTROL_FOLDER}` });

const withoutSlash = (url: string): string => url.replace(/\/+$/, '');
