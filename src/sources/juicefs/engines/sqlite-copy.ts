import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Json } from '../../../backup/types.ts';
import { LifeboatError } from '../../../errors.ts';
import { openSqlite, removeSqlite } from './sqlite.ts';

/**
 * The copy of a metadata engine that many workers read: SQLite makes it in one read transaction (VACUUM INTO), so all of them see its
 * one instant, and may be tried again or go on in another function as they like. Whoever writes meanwhile is not held up.
 */

const NAME = /^lifeboat-copy-(?<backup>[\w-]{1,64})\.db(\.part)?$/;
/** A backup takes no longer. */
const OLD_MS = 24 * 60 * 60 * 1000;

const CopySchema = z.object({ copy: z.string().regex(/^[\w-]{1,64}$/) });

const pathOf = (folder: string, token: Json): string => join(folder, `lifeboat-copy-${CopySchema.parse(token).copy}.db`);

/** Makes it unless it is there; a copy that was not finished has another name. Fails with TargetFull. */
export const makeCopy = async (folder: string, token: Json, from: { readonly path: string; readonly prefix: string }): Promise<void> => {
  const path = pathOf(folder, token);
  if (existsSync(path)) return;
  mkdirSync(folder, { recursive: true });
  const unfinished = `${path}.part`;
  removeSqlite(unfinished);
  const session = openSqlite(from);
  try {
    await session.run(`VACUUM INTO ${session.dialect.text(unfinished)}`, 'copying the metadata');
    renameSync(unfinished, path);
  } catch (error) {
    removeSqlite(unfinished);
    throw error;
  } finally {
    await session.close();
  }
};

/** Fails with InstantLost where there is none: another machine has it, or it was removed. */
export const copyOf = (folder: string, token: Json): string => {
  const path = pathOf(folder, token);
  if (existsSync(path)) return path;
  throw new LifeboatError('InstantLost', 'the copy of the metadata that this backup reads is not on this machine', {
    hint: 'Workers must share LIFEBOAT_TMP. Start a new backup.',
  });
};

/** Of any token: only some have a copy. */
export const removeCopy = (folder: string, token: Json): void => {
  if (CopySchema.safeParse(token).success) removeSqlite(pathOf(folder, token));
};

/** What backups that died have left; answers their names. */
export const removeOldCopies = async (folder: string, now: Date, hasEnded: (backup: string) => Promise<boolean>): Promise<string[]> => {
  const removed: string[] = [];
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const backup = NAME.exec(name)?.groups?.['backup'];
    if (backup === undefined) continue;
    const age = now.getTime() - (statSync(join(folder, name), { throwIfNoEntry: false })?.mtimeMs ?? now.getTime());
    if (age <= OLD_MS && !(await hasEnded(backup))) continue;
    removeSqlite(join(folder, name));
    removed.push(name);
  }
  return removed;
};
