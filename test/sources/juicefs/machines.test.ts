import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import zlib from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { Progress } from '../../../src/backup/progress.ts';
import type { Engine } from '../../../src/cli/engine.ts';
import { parseEnvironment } from '../../../src/environment/parse.ts';
import { openSecrets } from '../../../src/environment/secrets.ts';
import { makeEngine } from '../../../src/local/engine.ts';
import type { JuicefsAddress } from '../../../src/sources/juicefs/address.ts';
import { asJuicefsWrites, dumpOf, ENGINES, emptyEngine, filledEngine, fixture, missing, temporary, treesOf } from './harness.ts';

let count = 0;

const engineOf = async (source: JuicefsAddress, target: JuicefsAddress): Promise<{ readonly engine: Engine; readonly store: string }> => {
  const store = join(temporary, `store-${++count}`);
  mkdirSync(store);
  const environment = parseEnvironment(
    { store: `file://${store}`, sources: { files: { kind: 'juicefs', ...source } }, targets: { standby: { kind: 'juicefs', ...target } } },
    { name: 'test', root: temporary },
  );
  return { engine: await makeEngine({ environment, secrets: openSecrets({ env: {} }) }), store };
};

const run = { report: () => {}, signal: new AbortController().signal };

describe.each(ENGINES)('a volume on %s, through the state machines', (name) => {
  const reason = missing(name);

  it.skipIf(reason !== undefined)(
    `is backed up, restored and drilled${reason === undefined ? '' : ` (skipped: ${reason})`}`,
    async () => {
      const source = await filledEngine(name);
      const target = await emptyEngine(name);
      const { engine, store } = await engineOf(source, target);
      try {
        const backup = await engine.backup({ source: 'files' }, run);
        const folder = join(store, 'files/backups', backup.backup, 'segments');
        const artifact = Buffer.concat(
          readdirSync(folder)
            .sort()
            .map((file) => inflate(readFileSync(join(folder, file)))),
        );
        expect(asJuicefsWrites(artifact.toString())).toBe(fixture(`${name}.json`).toString());

        const restored = await engine.restore(
          { source: 'files', backup: backup.backup, target: 'standby', overwrite: false, only: undefined },
          run,
        );
        expect(restored.checks.length).toBeGreaterThan(10);
        expect(restored.checks.filter(({ ok }) => !ok)).toEqual([]);
        expect(treesOf(await dumpOf(target))).toBe(treesOf(await dumpOf(source)));

        const { proof } = await engine.drill(
          { source: 'files', backup: undefined, selection: undefined, seed: undefined, scratch: undefined },
          run,
        );
        expect(proof.verdict).toBe('PASSED');
        expect(proof.control).toMatchObject({ ok: true, expected: ['delfiles', 'entries'] });
        expect(readdirSync(temporary).filter((file) => file.startsWith('lifeboat-drill'))).toEqual([]);
      } finally {
        await engine.close();
      }
    },
    60_000,
  );
});

describe('a volume that lost its files', () => {
  it('is told of when it is backed up, and a backup that failed takes no slot', async () => {
    const source = await filledEngine('sqlite');
    const { engine, store } = await engineOf(source, source);
    const said: string[] = [];
    const listening = { ...run, report: (progress: Progress) => void (progress.type === 'warning' && said.push(progress.message)) };
    try {
      const whole = await engine.backup({ source: 'files' }, listening);
      expect(said).toEqual([]);
      renameSync(source.path ?? '', `${source.path}.away`);
      await expect(engine.backup({ source: 'files' }, listening)).rejects.toMatchObject({ name: 'NoSuchDatabase' });
      renameSync(`${source.path}.away`, source.path ?? '');
      const database = new DatabaseSync(source.path ?? '');
      database.exec('DELETE FROM jfs_edge WHERE parent <> 1');
      database.close();
      const shrunk = await engine.backup({ source: 'files' }, listening);
      expect(shrunk).toMatchObject({ already: false });
      expect(said.filter((message) => message.includes(`fewer rows`) && message.includes(whole.backup))).toHaveLength(1);
      expect(
        readdirSync(join(store, 'files/backups')).filter((name) => existsSync(join(store, 'files/backups', name, 'manifest.json'))),
      ).toHaveLength(2);
    } finally {
      await engine.close();
    }
  }, 60_000);
});

/** All frames of a segment. */
const inflate = (bytes: Buffer): Buffer => zlib.zstdDecompressSync(bytes);
