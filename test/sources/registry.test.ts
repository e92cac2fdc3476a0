import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { kinds, systemFromUrl, systemOf } from '../../src/sources/registry.ts';

describe('the registry', () => {
  it('has every folder of src/sources that holds a kind', async () => {
    const entries = await readdir(new URL('../../src/sources', import.meta.url), { withFileTypes: true });
    const folders = entries
      .filter((entry) => entry.isDirectory() && existsSync(join(entry.parentPath, entry.name, 'kind.ts')))
      .map(({ name }) => name);
    expect(kinds.map((kind) => kind.kind).sort()).toEqual(folders.sort());
  });

  it('gives each scheme to one kind', () => {
    const schemes = kinds.flatMap((kind) => kind.schemes);
    expect(new Set(schemes).size).toBe(schemes.length);
  });

  it('binds a URL to its kind, and the address again from JSON, without showing a password', () => {
    const system = systemFromUrl('postgres://user:hunter2@host/db');
    const again = systemOf(JSON.parse(JSON.stringify({ kind: system.kind, address: system.address })));
    expect(again.address).toEqual(system.address);
    expect(again.redacted).toBe('postgres://user@host:5432/db');
    expect(again.scratch('lifeboat-drill-1').address).toMatchObject({ host: 'host', database: 'lifeboat_drill_1' });
  });
});
