import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const bin = fileURLToPath(new URL('../../bin/lifeboat.mjs', import.meta.url));

const run = (command: string, argv: readonly string[]): Promise<{ code: number | string; out: string; err: string }> =>
  new Promise((resolve) => {
    execFile(command, argv, { cwd: tmpdir() }, (error, out, err) => resolve({ code: error?.code ?? 0, out, err }));
  });

/** Another Node than the one that runs this, if the machine has one. */
const olderNode = async (): Promise<string | undefined> => {
  for (const path of ['/usr/bin/node', '/usr/local/bin/node']) {
    const there = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (there && Number((await run(path, ['-p', 'process.versions.node.split(".")[0]'])).out) < 24) return path;
  }
  return undefined;
};

describe('bin/lifeboat.mjs', () => {
  it('shows help, and passes the exit code on', async () => {
    expect(await run(process.execPath, [bin, '--help'])).toMatchObject({
      code: 0,
      err: '',
      out: expect.stringContaining('usage: lifeboat <command>'),
    });
    expect(await run(process.execPath, [bin, 'lst'])).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringContaining('Did you mean list?'),
    });
  });

  it('runs again with the Node of the lockfile where the one that was called is older', async ({ skip }) => {
    const node = await olderNode();
    if (node === undefined) return skip('no older Node on this machine');
    expect(await run(node, [bin, '--help'])).toMatchObject({ code: 0, err: '', out: expect.stringContaining('usage: lifeboat <command>') });
    expect((await run(node, [bin, 'lst'])).code).toBe(2);
  });
});
