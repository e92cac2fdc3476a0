import { chmodSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Compiling is most of what it does when it starts. */
const CACHE = join(tmpdir(), 'lifeboat-test-compile-cache');

/** Writes a program into `root` that stands for meilisearch, with options of its own; answers its path. */
export const program = (root: string, ...options: string[]): string => {
  const path = join(root, `meilisearch-${options.join('-').replace(/[^a-z0-9]+/g, '-')}`);
  const script = join(import.meta.dirname, '../../support/meilisearch-program.ts');
  writeFileSync(
    path,
    `#!/bin/sh\nNODE_COMPILE_CACHE="${CACHE}" exec "${process.execPath}" "${script}" ${options.map((option) => `"${option}"`).join(' ')} "$@"\n`,
  );
  chmodSync(path, 0o755);
  return path;
};
