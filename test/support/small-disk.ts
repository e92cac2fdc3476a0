import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** A file system of its own, in memory, that can be made small, large, or read-only. Needs the right to mount. */
export interface SmallDisk {
  readonly folder: string;
  remount(options: string): Promise<void>;
  remove(): Promise<void>;
}

const run = promisify(execFile);

export const smallDisk = async (size: string): Promise<SmallDisk> => {
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-disk-'));
  await run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder]);
  return {
    folder,
    remount: async (options) => {
      await run('mount', ['-o', `remount,${options}`, folder]);
    },
    remove: async () => {
      await run('umount', [folder]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

/** Why no small disk can be made here; undefined when it can. */
export const whyNoDisk = ((): string | undefined => {
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder], { stdio: 'pipe' });
    execFileSync('umount', [folder]);
    return undefined;
  } catch {
    return 'mounting a file system is not permitted';
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
})();
