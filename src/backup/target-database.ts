import { LifeboatError } from '../errors.ts';

/** What a restore that began in a database left there. */
export interface Unfinished {
  /** The execution that restores. */
  readonly restore: string;
  readonly since: string;
}

/** A database as a restore meets it. */
export interface FoundDatabase {
  readonly name: string;
  readonly marker: Unfinished | undefined;
  /** Whether the backup was made of this very database. */
  readonly samePlace: boolean;
  /** `14 tables (a, …)`; empty when nothing is there. */
  readonly occupants: string;
}

/** Go on with what this restore began, empty the database first, or take it as it is: empty. */
export type WayIn = 'resume' | 'clean' | 'take';

/** What a restore may do with the database that it met. Fails with TargetIsSource, TargetUnusable, TargetNotEmpty. */
export const wayInto = (found: FoundDatabase, { restore, overwrite }: { readonly restore: string; readonly overwrite: boolean }): WayIn => {
  const { marker, samePlace, occupants } = found;
  const database = `database "${found.name}"`;
  if (samePlace && overwrite)
    throw new LifeboatError('TargetIsSource', `${database} is the one that the backup was made of; it is never overwritten`, {
      hint: 'Restore into another database and rename it when you have looked at it.',
    });
  if (marker?.restore === restore) return 'resume';
  if (overwrite) return 'clean';
  if (marker !== undefined)
    throw new LifeboatError('TargetUnusable', `${database} holds a restore that did not end: ${marker.restore}, begun ${marker.since}`, {
      hint: 'Run that restore again to go on with it, restore with --overwrite, or drop the database.',
    });
  if (occupants === '') return 'take';
  if (samePlace)
    throw new LifeboatError('TargetIsSource', `${database} is the one that the backup was made of, and it is not empty: ${occupants}`, {
      hint: 'Restore into another database.',
    });
  throw new LifeboatError('TargetNotEmpty', `${database} is not empty: ${occupants}`, {
    hint: 'Restore into an empty database, or with --overwrite.',
  });
};

/** Fails with TargetUnusable unless the marker is that of `restore`. */
export const requireOwn = (database: string, marker: Pick<Unfinished, 'restore'> | undefined, restore: string): void => {
  if (marker?.restore === restore) return;
  const found = marker === undefined ? 'has no marker of this restore' : `is marked by another restore, ${marker.restore}`;
  throw new LifeboatError('TargetUnusable', `database "${database}" ${found}`, {
    hint: 'Something else changed the target meanwhile; restore into an empty database.',
  });
};
