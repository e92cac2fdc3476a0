import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Json } from '../backup/types.ts';
import { LifeboatError } from '../errors.ts';
import { parseJson } from '../json.ts';
import type { Deployment } from './deployment.ts';
import { parseEnvironment } from './parse.ts';
import type { Common } from './schema.ts';

/** An environment, resolved: absolute store URLs, checked addresses, every name that is used is there. Plain JSON. */
export interface Environment {
  readonly name: string;
  /** Absolute path: where `file://./…` begins. */
  readonly root: string;
  readonly store: StoreEntry;
  readonly control: StoreEntry;
  readonly embedded?: { readonly postgres: { readonly port: number; readonly folder: string } };
  readonly deployment?: Deployment;
  readonly sources: Readonly<Record<string, SourceEntry>>;
  readonly targets: Readonly<Record<string, TargetEntry>>;
}

/** What openStore takes: its URL and its options. */
export interface StoreEntry {
  readonly url: string;
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly forcePathStyle?: boolean | undefined;
  readonly requestChecksumCalculation?: 'WHEN_SUPPORTED' | 'WHEN_REQUIRED' | undefined;
  readonly objectLock?: { readonly mode: 'GOVERNANCE' | 'COMPLIANCE'; readonly days: number } | undefined;
}

export interface TargetEntry {
  readonly kind: string;
  /** What the kind's `address` schema takes; bind it with systemOf(). */
  readonly address: Json;
}

/** `drill.scratch` and `restore.target` are names of targets here, also where the file has an address. */
export interface SourceEntry extends TargetEntry, Omit<Common, 'drill'> {
  readonly drill?: (Omit<NonNullable<Common['drill']>, 'scratch'> & { readonly scratch?: string | undefined }) | undefined;
}

const FOLDER = 'environments';
const NOT_ENVIRONMENTS = new Set(['schema.json']);

/** Larger than any hand-written file; a mistaken path to something else fails. */
const FILE_MAX_BYTES = 1024 * 1024;

/** The project: the nearest folder at or above `from` that has environments/, or `from` itself. */
export const findRoot = async (from: string): Promise<string> => {
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    if ((await environmentNames(folder)).length > 0) return folder;
    if (folder === dirname(folder)) return resolve(from);
  }
};

/** Names of the environments of a project, sorted; none when it has no such folder. */
export const environmentNames = async (root: string): Promise<string[]> => {
  const entries = await readdir(join(root, FOLDER)).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
  return entries
    .filter((entry) => entry.endsWith('.json') && !NOT_ENVIRONMENTS.has(entry))
    .map((entry) => basename(entry, '.json'))
    .sort();
};

/**
 * Loads `<root>/environments/<name>.json`, or a file by its path (with a slash or `.json`). What is relative in it resolves
 * against the project: the folder above `environments/`, or the file's own folder when it lies elsewhere.
 * Fails with UnknownEnvironment or ConfigInvalid.
 */
export const loadEnvironment = async (nameOrPath: string, options: { readonly root: string }): Promise<Environment> => {
  const isPath = nameOrPath.includes('/') || nameOrPath.endsWith('.json');
  const path = isPath ? resolve(options.root, nameOrPath) : join(options.root, FOLDER, `${nameOrPath}.json`);
  const folder = dirname(path);
  const root = basename(folder) === FOLDER ? dirname(folder) : folder;
  return parseEnvironment(await readJsonFile(path, nameOrPath, options.root), { name: basename(path, '.json'), root, path });
};

const readJsonFile = async (path: string, name: string, root: string): Promise<unknown> => {
  const bytes = await readFile(path).catch(async (cause: unknown) => {
    if (!isMissing(cause)) throw new LifeboatError('ConfigInvalid', `cannot read ${path}`, { cause });
    const known = await environmentNames(root);
    const hint = known.length === 0 ? 'There is none yet: `lifeboat init` makes one.' : `There is ${known.join(', ')}.`;
    throw new LifeboatError('UnknownEnvironment', `no environment ${name} (${path})`, { hint });
  });
  if (bytes.length > FILE_MAX_BYTES) throw new LifeboatError('ConfigInvalid', `${path} is larger than ${FILE_MAX_BYTES} bytes`);
  try {
    return parseJson(bytes.toString('utf8'));
  } catch (cause) {
    throw new LifeboatError('ConfigInvalid', `${path} is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`, {
      hint: 'Comments and trailing commas are not JSON.',
      cause,
    });
  }
};

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
