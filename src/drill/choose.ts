import type { CatalogEntry } from '../backup/catalog.ts';
import { LifeboatError } from '../errors.ts';
import { pick, randomFrom } from './random.ts';

/** How a drill finds the backup that it restores. */
export const SELECTIONS = ['latest', 'oldest', 'random', 'never-drilled'] as const;
export type Selection = (typeof SELECTIONS)[number];

/** Takes the newest backup while it is unproven, and works back through the others between two backups. */
export const DEFAULT_SELECTION: Selection = 'never-drilled';

/** What the choice depends on; entries of the catalogue have it. */
export interface Candidate {
  readonly backup: CatalogEntry['backup'];
  readonly proof: CatalogEntry['proof'];
  /** A broken backup has a manifest that cannot be read: no drill can restore it. */
  readonly state: CatalogEntry['state'];
  readonly problem?: LifeboatError;
}

export interface Choice<Entry extends Candidate> {
  readonly entry: Entry;
  /** For people, without a full stop: `the newest of 7 backups`. */
  readonly why: string;
}

/**
 * The backup to drill, out of all backups of one source in any order. The same entries, selection and seed give the same backup.
 * Broken ones are passed over and counted in `why`; but where the newest is asked for and broken, or all are, it fails with what is
 * wrong with it. Fails with NoSuchBackup when there is none.
 */
export const chooseBackup = <Entry extends Candidate>(
  entries: readonly Entry[],
  selection: Selection = DEFAULT_SELECTION,
  seed = 0,
): Choice<Entry> => {
  const oldestFirst = entries.toSorted((a, b) => compare(a.backup, b.backup));
  const sound = oldestFirst.filter((entry) => entry.state === 'sound');
  const newest = oldestFirst.at(-1);
  if (newest?.problem !== undefined && (selection === 'latest' || sound.length === 0)) throw newest.problem;
  const choice = chooseFrom(sound, selection, seed);
  if (choice === undefined)
    throw new LifeboatError('NoSuchBackup', 'there is no backup to drill', { hint: 'Make one with "lifeboat backup <source>".' });
  const broken = entries.length - sound.length;
  return broken === 0 ? choice : { ...choice, why: `${choice.why}; ${broken} more cannot be read` };
};

const chooseFrom = <Entry extends Candidate>(
  oldestFirst: readonly Entry[],
  selection: Selection,
  seed: number,
): Choice<Entry> | undefined => {
  const of = `of ${count(oldestFirst.length, 'backup')}`;
  switch (selection) {
    case 'latest':
      return because(oldestFirst.at(-1), `the newest ${of}`);
    case 'oldest':
      return because(oldestFirst[0], `the oldest ${of}`);
    case 'random':
      return because(pick(oldestFirst, randomFrom(seed)), `drawn at random out ${of} with seed ${seed}`);
    case 'never-drilled':
      return neverDrilled(oldestFirst);
  }
};

const neverDrilled = <Entry extends Candidate>(oldestFirst: readonly Entry[]): Choice<Entry> | undefined => {
  const never = oldestFirst.filter((entry) => entry.proof.state === 'never');
  const newest = never.at(-1);
  if (newest !== undefined) {
    const which = never.length === 1 ? 'the only one' : `the newest of ${never.length}`;
    return because(newest, `${which} never drilled, of ${count(oldestFirst.length, 'backup')}`);
  }
  const [longestAgo] = oldestFirst.toSorted((a, b) => compare(drilledAt(a), drilledAt(b)));
  return because(longestAgo, longestAgo && `every backup was drilled before; this one longest ago (${lastDrill(longestAgo)})`);
};

const drilledAt = (entry: Candidate): string => entry.proof.at ?? '';

const lastDrill = ({ proof }: Candidate): string =>
  `${proof.at ?? 'at an unknown time'}, ${proof.state === 'NOT_MEASURED' ? 'NOT MEASURED' : proof.state}`;

const because = <Entry extends Candidate>(entry: Entry | undefined, why: string | undefined): Choice<Entry> | undefined =>
  entry === undefined || why === undefined ? undefined : { entry, why };

const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;

/** By code unit: ids and ISO times sort by time that way, in any locale. */
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
