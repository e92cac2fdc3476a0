import type { ClassDigest, Json } from '../backup/types.ts';

/** Both look at decoded bytes, at most 64 KiB of them. */
export interface ArtifactFormat {
  readonly format: string;
  recognises(head: Uint8Array): boolean;
  /** False when the file was cut: its last bytes are not how such a file ends. */
  isWhole(tail: Uint8Array): boolean;
  /** Reads a stored file from end to end where its format has more to check; `open` begins anew. Fails with ArtifactInvalid. */
  examine?(open: OpenStored): Promise<Examined>;
  /** Turns a file of an older version of the format into the current one. Fails with Usage when there is nothing to do. */
  upgrade?(open: OpenStored): Promise<UpgradedFile>;
}

export type OpenStored = () => AsyncIterable<Uint8Array>;

export interface Examined {
  readonly rawBytes: number;
  /** For `--json`, and line by line for people; never a secret. */
  readonly contents: { readonly [name: string]: Json };
  readonly warnings: readonly string[];
  /** Of all that the backup of such a file would have, where the format says so: a file can then be compared with a backup. */
  readonly digests?: readonly ClassDigest[];
}

export interface UpgradedFile {
  readonly summary: { readonly [name: string]: Json };
  /** What is other than it was, or gone. */
  readonly notes: readonly string[];
  /** As they are to be stored. */
  readonly bytes: AsyncIterable<Uint8Array>;
}
