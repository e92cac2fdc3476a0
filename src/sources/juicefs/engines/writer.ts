import type { Check } from '../../../backup/types.ts';
import type { Counters, DelFile, Entry, Quotas, Sustained } from '../model.ts';

/** One name of an inode; the roots of the trees have no name and no parent. */
export interface Occurrence {
  readonly parent: bigint;
  readonly entry: Entry;
  readonly root: boolean;
}

/** What comes from the head of a dump, as it was parsed. */
export interface HeadToLoad {
  /** As the engine will store it. */
  readonly setting: string;
  readonly counters: Counters;
  readonly sustained: readonly Sustained[];
  readonly delFiles: readonly DelFile[];
  readonly quotas: Quotas;
  readonly userQuotas: Quotas;
  readonly groupQuotas: Quotas;
}

export interface Marker {
  readonly restore: string;
  readonly since: string;
}

/** Steps that follow the entries, in order. Each may be run again. */
export const FINISH_STEPS = ['links', 'statistics', 'quotas', 'counters'] as const;
export type FinishStep = (typeof FINISH_STEPS)[number];

/** Writes one volume. Whatever it does can be done again: rows that are there stay, slice references rise only for files that came in. */
export interface Writer {
  /** What stands in the way of a new volume; undefined when there is nothing. */
  occupant(): Promise<string | undefined>;
  marker(): Promise<Marker | undefined>;
  /** Makes what a volume needs, and the marker. */
  begin(restore: string, since: string): Promise<void>;
  /** One transaction. Answers how many names were new. */
  put(occurrences: readonly Occurrence[]): Promise<number>;
  /** From here on what was put survives a crash of the server; absent where it always does, or never more than the server's settings say. */
  settle?(): Promise<void>;
  finish(step: FinishStep, head: HeadToLoad, now: Date): Promise<void>;
  /** The setting last, and with it the marker goes: from here on juicefs takes it for a volume. */
  publish(head: HeadToLoad): Promise<void>;
  /** Whatever is wrong with what was loaded, before it is published; and again by an audit. */
  checks(): Promise<readonly Check[]>;
  /** Removes the volume, and nothing else. */
  clear(): Promise<void>;
  close(): Promise<void>;
}
