import { existsSync } from 'node:fs';
import { LifeboatError } from '../../../errors.ts';
import type { ObjectFacts, Objects, Services } from '../../contract.ts';
import type { JuicefsAddress } from '../address.ts';

/** An RDB on this machine, or one that has to be fetched. */
export type Located =
  | { readonly path: string }
  | { readonly path?: never; bytes(): AsyncIterable<Uint8Array>; readonly bytesTotal: number };

const ENDING = '.rdb';

/** A file, an object, or the newest `.rdb` below a prefix that ends with a slash. Fails with NoSuchObject. */
export const openRdbObject = async ({ path = '', region, endpoint }: JuicefsAddress, services: Services): Promise<Located> => {
  if (!path.startsWith('s3://')) {
    if (!existsSync(path)) throw missing(path);
    return { path };
  }
  if (services.openObjects === undefined) throw new LifeboatError('Unsupported', 'objects cannot be reached from here');
  const slash = path.lastIndexOf('/');
  const objects = await services.openObjects(path.slice(0, slash), { region, endpoint, forcePathStyle: endpoint !== undefined });
  const name = path.slice(slash + 1);
  const found = name === '' ? await newest(objects) : await objects.head(name);
  if (found === undefined) throw missing(path);
  return { bytes: () => objects.read(found.key), bytesTotal: found.bytes };
};

const newest = async (objects: Objects): Promise<ObjectFacts | undefined> => {
  let last: ObjectFacts | undefined;
  for await (const one of objects.list(''))
    if (one.key.endsWith(ENDING) && (last === undefined || one.modified > last.modified)) last = one;
  return last;
};

const missing = (path: string): LifeboatError =>
  new LifeboatError('NoSuchObject', `there is no RDB at ${path}`, {
    hint: 'Give juicefs+rdb:///path/dump.rdb?db=1 or juicefs+rdb+s3://bucket/key.rdb?db=1; a prefix that ends with / means its newest .rdb.',
  });
