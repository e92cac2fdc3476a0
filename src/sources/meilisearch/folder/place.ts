import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { LifeboatError } from '../../../errors.ts';
import { parseIfJson } from '../../../json.ts';

const ServerSchema = z.object({ pid: z.int().positive(), port: z.int() });

const MarkerSchema = z.object({
  restore: z.string(),
  /** The drill whose database this is until it is discarded. */
  scratch: z.string().nullable(),
  /** While it imports: another process may wait for its end. */
  server: ServerSchema.nullable(),
  imported: z.boolean(),
});
export type Marker = z.output<typeof MarkerSchema>;

/** A database and what lies beside it while it is restored or looked at: a folder of the same disk, for us alone. */
export interface Place {
  /** `--db-path` */
  readonly database: string;
  /** Marker, dump, log, and the room in which Meilisearch unpacks; its name is that of the database and `.lifeboat`. */
  readonly beside: string;
  /** Another one each time: whoever removes that of an earlier attempt does not meet it. */
  readonly dump: string;
  /** Where Meilisearch unpacks, in clear; the same holds. */
  readonly temporary: string;
  /** The database that --overwrite replaces, until the new one is whole. */
  readonly previous: string;
}

export const placeAt = (database: string): Place => {
  const beside = `${database}.lifeboat`;
  const once = randomBytes(4).toString('hex');
  return {
    database,
    beside,
    dump: join(beside, `import-${once}.dump`),
    temporary: join(beside, `tmp-${once}`),
    previous: join(beside, 'previous.ms'),
  };
};

/** Dumps hold secrets: nobody else may read what lies there. */
export const makeBeside = async ({ beside }: Place): Promise<void> => {
  await mkdir(dirname(beside), { recursive: true });
  await mkdir(beside, { recursive: true, mode: 0o700 });
};

const markerPath = ({ beside }: Place): string => join(beside, 'restore.json');

/** Undefined when there is none: no restore is under way, and this is no scratch database. */
export const readMarker = async (place: Place): Promise<Marker | undefined> => {
  const text = await readFile(markerPath(place), 'utf8').catch(absent);
  if (text === undefined) return undefined;
  const parsed = MarkerSchema.safeParse(parseIfJson(text));
  // Written in one go, but a disk may have been full.
  return parsed.success ? parsed.data : { restore: '', scratch: null, server: null, imported: false };
};

export const writeMarker = async (place: Place, marker: Marker): Promise<void> => {
  await makeBeside(place);
  const fresh = `${markerPath(place)}.new`;
  await writeFile(fresh, JSON.stringify(marker), { mode: 0o600 });
  await rename(fresh, markerPath(place));
};

/** Names what is there, as Meilisearch does: a folder that is absent or empty is no database. */
export const occupants = async ({ database }: Place): Promise<readonly string[]> => {
  const names = await readdir(database).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOTDIR') throw new LifeboatError('TargetNotEmpty', `${database} is a file`, { hint: 'Name a folder.' });
    return absent(error);
  });
  return names ?? [];
};

/** True for what Meilisearch made; nothing else is ever replaced. */
export const isDatabase = async ({ database }: Place): Promise<boolean> => {
  const there = await Promise.all(['VERSION', 'tasks', 'indexes', 'auth'].map((name) => stat(join(database, name)).catch(absent)));
  return there.every((found) => found !== undefined);
};

/** Keeps the database that was there until the new one is whole; does nothing when an earlier attempt did that. */
export const setAside = async (place: Place): Promise<void> => {
  await makeBeside(place);
  if ((await stat(place.previous).catch(absent)) === undefined) await rename(place.database, place.previous);
  else await rm(place.database, { recursive: true, force: true });
};

/** Removes what was made here, and puts back what was there before. */
export const giveUp = async (place: Place): Promise<void> => {
  await rm(place.database, { recursive: true, force: true });
  await rename(place.previous, place.database).catch(absent);
  await rm(place.beside, { recursive: true, force: true });
};

/** Removes the marker and all else that a restore needed. */
export const removeBeside = ({ beside }: Place): Promise<void> => rm(beside, { recursive: true, force: true });

/** Removes the database and all beside it. */
export const removePlace = async (place: Place): Promise<void> => {
  await rm(place.database, { recursive: true, force: true });
  await rm(place.beside, { recursive: true, force: true });
};

const absent = (error: NodeJS.ErrnoException): undefined => {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
};
