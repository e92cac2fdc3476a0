import { createHash } from 'node:crypto';
import { isLifeboatError, LifeboatError } from '../errors.ts';
import type { ObjectInfo, Store } from '../stores/store.ts';
import { folders } from './folders.ts';
import { parseBackupId, timeOf } from './id.ts';
import { backupsPrefix, isSourceName, manifestKey } from './layout.ts';
import { decodeManifest, MANIFEST_MAX_BYTES } from './manifest.ts';
import { readAll } from './objects.ts';
import { type ProofKeys, type ProofState, proofKeysOf, proofStateOf } from './proof-state.ts';
import { countRows } from './rows.ts';
import type { BackupId, Manifest } from './types.ts';

/** Manifests that are read at the same time while a list goes on. */
const READ_AHEAD = 4;

/** What is known of a backup: all of it, or, where its manifest cannot be trusted, why. */
export type CatalogEntry = SoundEntry | BrokenEntry;

interface EntryBase {
  readonly source: string;
  readonly backup: BackupId;
  /** When the backup was started, ISO 8601: as the manifest says, or, for a broken one, as its id does. */
  readonly recordedAt: string;
  readonly proof: ProofState;
}

export interface SoundEntry extends EntryBase {
  readonly state: 'sound';
  readonly manifest: Manifest;
  /** Of the manifest's stored bytes, hex. */
  readonly manifestSha256: string;
  /** Of all segments in the store. */
  readonly bytes: number;
  /** As countRows counts them, a decimal string. */
  readonly rows: string;
}

export interface BrokenEntry extends EntryBase {
  readonly state: 'broken';
  /** ManifestInvalid or FormatTooNew. */
  readonly problem: LifeboatError;
}

/** Backups that have a manifest, by source, newest last: by id, which is when each was due. Whatever else lies there is ignored. */
export async function* listBackups(store: Store, source?: string): AsyncGenerator<CatalogEntry> {
  for await (const name of source === undefined ? sourceFolders(store) : [source]) {
    const proofs = await proofKeysOf(store, name);
    yield* readAhead(manifests(store, name), (found) => readEntry(store, found, proofs));
  }
}

/** Sources that have a backup, sorted. */
export const listSources = async (store: Store): Promise<string[]> => {
  const sources: string[] = [];
  for await (const source of sourceFolders(store)) if ((await firstOf(manifests(store, source))) !== undefined) sources.push(source);
  return sources.sort();
};

/** The newest backup whose manifest can be read. */
export const latest = async (store: Store, source: string): Promise<SoundEntry | undefined> => {
  for (const found of (await Array.fromAsync(manifests(store, source))).reverse()) {
    const entry = await readEntry(store, found, await proofKeysOf(store, source, found.backup));
    if (entry?.state === 'sound') return entry;
  }
  return undefined;
};

/**
 * The backup by id, or the newest one. Never falls back on another one: when the newest is broken, `latest` fails with its
 * problem and names the last good one. Fails with NoSuchBackup; with Usage when `source` is needed to tell which is meant.
 */
export const findBackup = async (store: Store, id: string, source?: string): Promise<SoundEntry> => {
  const found = id === 'latest' ? await findLatest(store, source) : await findById(store, id, source);
  const entry = found && (await readEntry(store, found, await proofKeysOf(store, found.source, found.backup)));
  if (entry === undefined)
    throw new LifeboatError('NoSuchBackup', `no backup ${id}${source === undefined ? '' : ` of ${source}`} in ${store.url}`, {
      hint: '"lifeboat list" shows what is there.',
    });
  if (entry.state === 'sound') return entry;
  const good = await latest(store, entry.source);
  throw new LifeboatError(entry.problem.code, `backup ${entry.backup} of ${entry.source}: ${entry.problem.message}`, {
    hint: good === undefined ? entry.problem.hint : `${entry.problem.hint} The newest that can be read is ${good.backup}.`,
    cause: entry.problem,
  });
};

interface Found {
  readonly source: string;
  readonly backup: BackupId;
  readonly info: ObjectInfo;
}

const findLatest = async (store: Store, source: string | undefined): Promise<Found | undefined> =>
  (await Array.fromAsync(manifests(store, source ?? (await onlySource(store))))).at(-1);

const onlySource = async (store: Store): Promise<string> => {
  const sources = await listSources(store);
  const [only, ...others] = sources;
  if (others.length > 0)
    throw new LifeboatError('Usage', `${store.url} has backups of ${sources.join(', ')}: "latest" may be any of them`, {
      hint: 'Say which with --source.',
    });
  if (only === undefined)
    throw new LifeboatError('NoSuchBackup', `no backup in ${store.url}`, { hint: '"lifeboat backup <source>" makes the first one.' });
  return only;
};

const findById = async (store: Store, id: string, source: string | undefined): Promise<Found | undefined> => {
  const backup = parseBackupId(id);
  if (backup === undefined) return undefined;
  const found: Found[] = [];
  for await (const name of source === undefined ? sourceFolders(store) : [source]) {
    const info = await store.head(manifestKey(name, backup));
    if (info !== undefined) found.push({ source: name, backup, info });
  }
  if (found.length > 1)
    throw new LifeboatError('Usage', `backup ${id} is there of ${found.map((one) => one.source).join(' and ')}`, {
      hint: 'Say which with --source.',
    });
  return found[0];
};

async function* sourceFolders(store: Store): AsyncGenerator<string> {
  for await (const { name } of folders(store, '')) if (isSourceName(name)) yield name;
}

/** Folders with a manifest, in order of their ids. */
async function* manifests(store: Store, source: string): AsyncGenerator<Found> {
  for await (const { name, first } of folders(store, backupsPrefix(source))) {
    const backup = parseBackupId(name);
    if (backup === undefined) continue;
    const key = manifestKey(source, backup);
    const info =
      first.find((object) => object.key === key) ?? (first.length > 0 && mayFollow(first, key) ? await store.head(key) : undefined);
    if (info !== undefined) yield { source, backup, info };
  }
}

/** Whether a key can lie behind the objects of its folder that were seen. */
const mayFollow = (seen: readonly ObjectInfo[], key: string): boolean => (seen.at(-1)?.key ?? '') < key;

/** Undefined when it was pruned since it was listed. */
const readEntry = async (store: Store, { source, backup, info }: Found, proofs: ProofKeys): Promise<CatalogEntry | undefined> => {
  const proof = await proofStateOf(store, source, backup, proofs);
  const broken = (problem: LifeboatError): BrokenEntry => ({
    state: 'broken',
    source,
    backup,
    recordedAt: timeOf(backup).toISOString(),
    proof,
    problem,
  });
  if (info.bytes > MANIFEST_MAX_BYTES)
    return broken(new LifeboatError('ManifestInvalid', `the manifest has ${info.bytes} bytes, more than ${MANIFEST_MAX_BYTES}`));
  const stored = await readAll(store, info.key);
  if (stored === undefined) return undefined;
  try {
    const manifest = decodeManifest(stored, { source, backup });
    return {
      state: 'sound',
      source,
      backup,
      recordedAt: manifest.startedAt,
      proof,
      manifest,
      manifestSha256: createHash('sha256').update(stored).digest('hex'),
      bytes: manifest.segments.reduce((sum, segment) => sum + segment.bytes, 0),
      rows: countRows(manifest.digests),
    };
  } catch (error) {
    if (isLifeboatError(error, 'ManifestInvalid') || isLifeboatError(error, 'FormatTooNew')) return broken(error);
    throw error;
  }
};

const firstOf = async <T>(items: AsyncIterable<T>): Promise<T | undefined> => {
  for await (const item of items) return item;
  return undefined;
};

/** Reads some items at the same time, yields them in order. */
async function* readAhead<T, R>(items: AsyncIterable<T>, read: (item: T) => Promise<R | undefined>): AsyncGenerator<R> {
  const inFlight: Promise<R | undefined>[] = [];
  const next = async function* (): AsyncGenerator<R> {
    const one = await inFlight[0];
    inFlight.shift();
    if (one !== undefined) yield one;
  };
  try {
    for await (const item of items) {
      inFlight.push(read(item));
      if (inFlight.length >= READ_AHEAD) yield* next();
    }
    while (inFlight.length > 0) yield* next();
  } finally {
    await Promise.allSettled(inFlight);
  }
}
