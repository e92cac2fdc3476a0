import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { temporarySpool } from '../../src/stores/spool.ts';
import type { Body } from '../../src/stores/store.ts';
import { gather } from '../support/bytes.ts';

const MIB = 1024 * 1024;

const folder = async (): Promise<string> => {
  const path = await mkdtemp(join(tmpdir(), 'lifeboat-spool-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
};

const bytesOf = async (body: Body): Promise<Buffer> => (body instanceof Uint8Array ? Buffer.from(body) : gather(body.open(0, body.bytes)));

const block = (n: number): Buffer => Buffer.alloc(5 * MIB, `block ${n} `);

describe('temporarySpool', () => {
  it('keeps what is small in memory', async () => {
    const at = await folder();
    const spool = temporarySpool(at);
    await spool.append(Buffer.from('one, '));
    await spool.append(Buffer.from('two'));
    expect((await bytesOf(await spool.body())).toString()).toBe('one, two');
    expect(await readdir(at)).toEqual([]);
    await spool.discard();
  });

  it('is empty when nothing was appended', async () => {
    expect((await bytesOf(await temporarySpool('/nonexistent').body())).length).toBe(0);
  });

  it('moves to a file when it grows, can be read from anywhere, again, and leaves nothing', async () => {
    const at = join(await folder(), 'made when it is needed');
    const spool = temporarySpool(at);
    for (let n = 0; n < 7; n++) await spool.append(block(n));
    const whole = Buffer.concat(Array.from({ length: 7 }, (_, n) => block(n)));
    const body = await spool.body();
    if (body instanceof Uint8Array) throw new Error('it is still in memory');
    expect(await readdir(at)).toHaveLength(1);
    for (let n = 0; n < 2; n++) expect((await bytesOf(body)).equals(whole)).toBe(true);
    expect((await gather(body.open(5 * MIB - 3, 5 * MIB + 4))).equals(whole.subarray(5 * MIB - 3, 5 * MIB + 4))).toBe(true);
    await spool.discard();
    await spool.discard();
    expect(await readdir(at)).toEqual([]);
  });

  it('fails with StoreFull where there is no place for a file, and names the folder', async () => {
    const file = join(await folder(), 'file');
    await writeFile(file, '');
    const spool = temporarySpool(file);
    const filling = (async () => {
      for (let n = 0; n < 7; n++) await spool.append(block(n));
    })();
    await expect(filling).rejects.toMatchObject({ code: 'StoreFull', message: expect.stringContaining(file) });
    await spool.discard();
  });
});
