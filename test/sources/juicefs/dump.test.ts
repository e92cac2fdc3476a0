import { describe, expect, it } from 'vitest';
import { asJuicefsWrites, dumpOf, ENGINES, filledEngine, fixture, missing } from './harness.ts';

describe.each(ENGINES)('a dump of a volume on %s', (engine) => {
  const reason = missing(engine);

  it.skipIf(reason !== undefined)(`is byte for byte that of juicefs${reason === undefined ? '' : ` (skipped: ${reason})`}`, async () => {
    expect(asJuicefsWrites(await dumpOf(await filledEngine(engine)))).toBe(fixture(`${engine}.json`).toString());
  });

  it.skipIf(reason !== undefined)('keeps a valid U+FFFD whole', async () => {
    const dump = await dumpOf(await filledEngine(engine));
    expect(dump).toContain('"real%EF%BF%BDfffd": {');
    expect(dump).not.toContain('"real%EFfffd"');
  });

  it.skipIf(reason !== undefined)('keeps the secrets only when it is told to', async () => {
    const address = await filledEngine(engine);
    expect(await dumpOf(address)).toContain('"SecretKey": "removed"');
    expect(await dumpOf({ ...address, keepSecretKey: true })).toMatch(/"SecretKey": "[A-Za-z0-9+/]{40,}=*"/);
  });
});

const reason = missing('redis');

describe.skipIf(reason !== undefined)(`parts of a volume on redis${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  it('of a folder are as juicefs --subdir writes them', async () => {
    const address = await filledEngine('redis');
    expect(await dumpOf({ ...address, subdir: '/links' })).toBe(fixture('redis-subdir-links.json').toString());
  });

  it('without trash are as juicefs --skip-trash writes them', async () => {
    const address = await filledEngine('redis');
    expect(asJuicefsWrites(await dumpOf({ ...address, skipTrash: true }))).toBe(fixture('redis-skip-trash.json').toString());
  });

  it('fail by name when there is no such folder', async () => {
    const address = await filledEngine('redis');
    await expect(dumpOf({ ...address, subdir: '/links/hl1' })).rejects.toMatchObject({ name: 'NoSuchObject' });
  });
});
