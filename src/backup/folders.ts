import type { ObjectInfo, Store } from '../stores/store.ts';

/** Objects of one folder that are listed before the rest of it is skipped: one page of S3. A large backup costs one more request, not hundreds. */
const SKIP_AFTER_OBJECTS = 1000;

/** The character behind `/`: keys of a folder lie before its name with this. */
const AFTER_SLASH = '0';

export interface Folder {
  /** One path part. */
  readonly name: string;
  /** Its first objects, in order: all of them when there are fewer than a page. */
  readonly first: readonly ObjectInfo[];
}

/** The folders right below `prefix` (empty, or with a slash at the end), in byte order of their keys. */
export async function* folders(store: Store, prefix: string): AsyncGenerator<Folder> {
  let open: { name: string; first: ObjectInfo[] } | undefined;
  let after: string | undefined;
  do {
    const listing = store.list(prefix, after === undefined ? {} : { after });
    after = undefined;
    for await (const object of listing) {
      const [name = '', ...rest] = object.key.slice(prefix.length).split('/');
      if (rest.length === 0) continue;
      if (open?.name !== name) {
        if (open !== undefined) yield open;
        open = { name, first: [] };
      }
      open.first.push(object);
      if (open.first.length >= SKIP_AFTER_OBJECTS) {
        after = `${prefix}${name}${AFTER_SLASH}`;
        break;
      }
    }
    if (open !== undefined && after !== undefined) {
      yield open;
      open = undefined;
    }
  } while (after !== undefined);
  if (open !== undefined) yield open;
}
