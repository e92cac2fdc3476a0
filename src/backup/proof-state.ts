import { isLifeboatError } from '../errors.ts';
import type { Store } from '../stores/store.ts';
import { parseBackupId } from './id.ts';
import { proofsPrefix } from './layout.ts';
import { readAll } from './objects.ts';
import { decodeProof } from './proof.ts';
import type { BackupId, Proof, Verdict } from './types.ts';

/** What the drills of one backup say. */
export interface ProofState {
  /** Of the newest drill. */
  readonly state: 'never' | Verdict;
  /** When the newest drill ended, ISO 8601, and its id. */
  readonly at?: string;
  readonly drill?: string;
  /** When the newest drill that passed ended: a later one may have measured nothing. */
  readonly passedAt?: string;
  /** Keys of proofs that cannot be trusted; they do not count. */
  readonly damaged?: readonly string[];
}

/** Keys of the proofs (JSON) by backup, oldest first. */
export type ProofKeys = ReadonlyMap<string, readonly string[]>;

/** Of all backups of a source, or of one. */
export const proofKeysOf = async (store: Store, source: string, backup?: BackupId): Promise<ProofKeys> => {
  const all = proofsPrefix(source);
  const keys = new Map<string, string[]>();
  for await (const { key } of store.list(proofsPrefix(source, backup))) {
    const [folder = '', file, ...deeper] = key.slice(all.length).split('/');
    if (parseBackupId(folder) === undefined || file === undefined || deeper.length > 0 || !file.endsWith('.json')) continue;
    keys.set(folder, [...(keys.get(folder) ?? []), key]);
  }
  return keys;
};

/** Reads from the newest drill back to one that passed. */
export const proofStateOf = async (store: Store, source: string, backup: BackupId, keys: ProofKeys): Promise<ProofState> => {
  const damaged: string[] = [];
  let newest: Proof | undefined;
  let passed: Proof | undefined;
  for (const key of (keys.get(backup) ?? []).toReversed()) {
    const proof = await readProof(store, key);
    if (proof === 'gone') continue;
    if (proof === 'damaged' || proof.source !== source || proof.backup !== backup) {
      damaged.push(key);
      continue;
    }
    newest ??= proof;
    if (proof.verdict !== 'PASSED') continue;
    passed = proof;
    break;
  }
  return {
    ...(newest === undefined ? { state: 'never' } : { state: newest.verdict, at: newest.endedAt, drill: newest.drill }),
    ...(passed === undefined ? {} : { passedAt: passed.endedAt }),
    ...(damaged.length === 0 ? {} : { damaged }),
  };
};

const readProof = async (store: Store, key: string): Promise<Proof | 'gone' | 'damaged'> => {
  const bytes = await readAll(store, key);
  if (bytes === undefined) return 'gone';
  try {
    return decodeProof(bytes);
  } catch (error) {
    if (isLifeboatError(error, 'ManifestInvalid') || isLifeboatError(error, 'FormatTooNew')) return 'damaged';
    throw error;
  }
};
