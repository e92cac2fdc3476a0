/** PostgreSQL refuses to run as root: who it runs as instead. */
import { readFileSync } from 'node:fs';

export interface SystemUser {
  /** To be spread into the options of spawn; empty where we stay who we are. */
  readonly ids: { readonly uid?: number; readonly gid?: number };
  readonly uid: number;
  readonly gid: number;
}

/** What Linux itself maps unknown users to; used where /etc/passwd does not name `nobody`. */
const NOBODY = 65_534;

/** Ourselves, or `nobody` when we are root. */
export function unprivilegedUser(): SystemUser {
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  if (uid !== 0) return { ids: {}, uid, gid };
  const nobody = nobodyOf(readFileSync('/etc/passwd', 'utf8'));
  return { ids: nobody, ...nobody };
}

/** @param passwd content of /etc/passwd */
export function nobodyOf(passwd: string): { readonly uid: number; readonly gid: number } {
  const [uid, gid] =
    passwd
      .match(/^nobody:[^:]*:(\d+):(\d+):/m)
      ?.slice(1)
      .map(Number) ?? [];
  return { uid: uid ?? NOBODY, gid: gid ?? NOBODY };
}
