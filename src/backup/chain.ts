import type { BackupId, Manifest } from './types.ts';

/**
 * - first    names no manifest before it
 * - linked   the manifest before it is there
 * - gap      the manifest before it is not there: pruned, or removed
 * - fork     another backup follows on the same manifest: two were made at once, or one was replayed
 */
export type Link = 'first' | 'linked' | 'gap' | 'fork';

export interface ChainEntry {
  readonly backup: BackupId;
  readonly manifest: Pick<Manifest, 'previous'>;
  readonly manifestSha256: string;
}

/** How each manifest of one source follows on the one before it, in the order given. */
export const verifyChain = (entries: readonly ChainEntry[]): { readonly backup: BackupId; readonly link: Link }[] => {
  const known = new Set(entries.map((entry) => entry.manifestSha256));
  const followers = Map.groupBy(entries, (entry) => entry.manifest.previous);
  const linkOf = ({ previous }: ChainEntry['manifest']): Link => {
    if (previous === null) return 'first';
    if ((followers.get(previous) ?? []).length > 1) return 'fork';
    return known.has(previous) ? 'linked' : 'gap';
  };
  return entries.map(({ backup, manifest }) => ({ backup, link: linkOf(manifest) }));
};
