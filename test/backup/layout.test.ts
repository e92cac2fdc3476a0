import { describe, expect, it } from 'vitest';
import * as layout from '../../src/backup/layout.ts';
import { ordinal } from '../../src/backup/ordinal.ts';
import { idAt } from './examples.ts';

const backup = idAt('2026-11-21T01:30:00Z');
const sha256 = '4f2a91bc'.repeat(8);

describe('layout', () => {
  it('puts every object where docs/store-format.md says', () => {
    expect(layout.FORMAT_KEY).toBe('lifeboat.json');
    expect(layout.manifestKey('files', backup)).toBe(`files/backups/${backup}/manifest.json`);
    expect(layout.restoreGuideKey('files', backup)).toBe(`files/backups/${backup}/RESTORE.md`);
    expect(layout.receiptKey('files', backup, 'dump', 7, 12)).toBe(`files/backups/${backup}/receipts/dump.000007.0012.json`);
    expect(layout.segmentKey(ordinal(7, 1), sha256, 'sql.zst')).toBe('segments/000007.0001-4f2a91bc.sql.zst');
    expect(layout.proofKey('files', backup, backup, 'html')).toBe(`files/proofs/${backup}/${backup}.html`);
    expect(layout.leaseKey('files')).toBe('files/lease.json');
    expect(layout.planPrefix('files', backup, 'dump')).toBe(`files/runs/${backup}/plans/dump/`);
    expect(layout.instantsPrefix('files', backup)).toBe(`files/runs/${backup}/instants/`);
    expect(layout.releasedKey('files', backup)).toBe(`files/runs/${backup}/released.json`);
    expect(layout.scratchKey('files', backup)).toBe(`files/scratch/${backup}.json`);
  });

  it('tells the receipts of stages apart whose names begin alike', () => {
    const finish = layout.receiptsPrefix('files', backup, 'finish');
    expect(layout.receiptKey('files', backup, 'finish', 0, 0).startsWith(finish)).toBe(true);
    expect(layout.receiptKey('files', backup, 'finish-indexes', 0, 0).startsWith(finish)).toBe(false);
  });

  it.each(['', '-a', 'A', 'a_b', 'a/b', '..', 'é', '.control', 'a'.repeat(41), 'a\n'])('refuses %j as a source', (name) => {
    expect(layout.isSourceName(name)).toBe(false);
    expect(() => layout.leaseKey(name)).toThrow(expect.objectContaining({ code: 'StoreKeyInvalid' }));
  });

  it.each(['', '.', '..', 'a/b', 'a b', 'é', 'a\n', 'a'.repeat(201)])('refuses %j as a part of a key', (run) => {
    expect(() => layout.planPrefix('files', run, 'dump')).toThrow(expect.objectContaining({ code: 'StoreKeyInvalid' }));
  });

  it('refuses what would not fit into its digits', () => {
    for (const [task, part] of [
      [1_000_000, 0],
      [0, 10_000],
      [-1, 0],
      [0.5, 0],
    ] as const)
      expect(() => layout.receiptKey('files', backup, 'dump', task, part)).toThrow(expect.objectContaining({ code: 'StoreKeyInvalid' }));
  });

  it.each(['', '.zst', 'sql/zst', 'SQL', 'a..b'])('refuses %j as an extension', (extension) => {
    expect(() => layout.segmentKey(ordinal(0, 0), sha256, extension)).toThrow(expect.objectContaining({ code: 'StoreKeyInvalid' }));
  });
});
