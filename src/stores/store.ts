/**
 * Where backups live. Only `create` writes to a store, and never over an object that is there; `replace` and `delete` are for
 * the control area and for pruning. Keys are relative, `/`-separated, printable ASCII, at most KEY_MAX_BYTES.
 *
 * Errors: NoSuchStore (the root is not there), NoSuchObject, StoreDenied, StoreFull, StoreKeyInvalid, StoreUnavailable (retryable).
 */
export interface Store {
  /** For people and records: `s3://bucket/prefix` or `file:///path`, without secrets, without a trailing slash. */
  readonly url: string;
  /** Stores of one server can copy from each other: `s3` and its endpoint. Absent where copies are streamed. */
  readonly server?: string;
  /** How a state machine names an object of this store: `{Bucket: bucket, Key: prefix + key}`. A folder's bucket is its URL. */
  readonly bucket: string;
  /** Empty, or ends with a slash. */
  readonly prefix: string;
  /** Stores the object durably, or leaves the one that is there alone and answers `created: false`. */
  create(key: string, body: Body, signal?: AbortSignal): Promise<Created>;
  /** Streams the object, or bytes `start` up to but not including `end` of it; like `slice`, a range ends where the object does. */
  read(key: string, options?: ReadOptions): AsyncIterable<Uint8Array>;
  head(key: string, options?: { readonly versionId?: string | undefined }): Promise<ObjectInfo | undefined>;
  /** In byte order of the keys; `after` excludes keys up to and including it. */
  list(prefix: string, options?: { readonly after?: string }): AsyncIterable<ObjectInfo>;
  /** Succeeds when the object is not there. On S3 with versions it adds a delete marker. */
  delete(key: string): Promise<void>;
  /** Copies an object of another store on the server's side, as `create` would; undefined where this pair cannot. */
  copyFrom?(key: string, from: StoredObject, signal?: AbortSignal): Promise<Created | undefined>;
  /** Control only: writes if the object's etag is still `ifMatch` (null: if there is none); answers the new etag, or undefined if another was faster. */
  replace(key: string, body: Uint8Array, ifMatch: string | null): Promise<string | undefined>;
}

/** Bytes in memory, or something that can be read again from the start when a request is repeated. */
export type Body = Uint8Array | { readonly bytes: number; open(start: number, end: number): AsyncIterable<Uint8Array> };

export interface StoredObject {
  readonly store: Store;
  readonly key: string;
  readonly bytes: number;
  readonly etag: string;
}

export interface Created {
  readonly created: boolean;
  /** Where the store has versions: of the object that is there now, whoever wrote it. */
  readonly versionId?: string | undefined;
}

export interface ReadOptions {
  readonly range?: { readonly start: number; readonly end: number };
  readonly versionId?: string | undefined;
  readonly signal?: AbortSignal;
}

export interface ObjectInfo {
  readonly key: string;
  readonly bytes: number;
  readonly modified: Date;
  readonly etag: string;
  readonly versionId?: string | undefined;
}

/** S3's limit for a key, in bytes, less room for a prefix. */
export const KEY_MAX_BYTES = 900;
