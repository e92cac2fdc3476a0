import type { Budget, SegmentSource } from './contract.ts';

/** What the pool of a source holds for one backup. */
export interface Holding {
  /** `5 branches, 25 commits, 1,225 objects`. */
  readonly words: string;
  /** Of the pool, which the backups of a source share; what several tasks name counts for each of them. */
  readonly poolObjects: number;
  readonly poolBytes: number;
}

export interface PoolProof {
  /** What was looked at, for people: `5 branches, 25 commits, 1,225 objects`. */
  readonly summary: string;
  /** `outside`: the key is none of the pool's, but the name of something else that the backup lives by. */
  readonly flaws: readonly { readonly key: string; readonly message: string; readonly outside?: true }[];
  /** What the backup lives by and could not be looked at. */
  readonly notMeasured?: readonly { readonly what: string; readonly why: string }[];
}

export interface VerifyPoolOptions {
  readonly budget: Budget;
  /** Also reads every object, and compares it with the checksum that the product has of it. */
  readonly bytes: boolean;
  /** Of the backup's segments. */
  readonly read: SegmentSource;
}
