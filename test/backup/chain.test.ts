import { describe, expect, it } from 'vitest';
import { verifyChain } from '../../src/backup/chain.ts';
import { idAt } from './examples.ts';

const entry = (day: number, previous: string | null) => ({
  backup: idAt(`2026-11-0${day}T00:00:00Z`),
  manifest: { previous },
  manifestSha256: `sha-${day}`,
});
const linksOf = (...entries: ReturnType<typeof entry>[]) => verifyChain(entries).map(({ link }) => link);

describe('the chain of manifests', () => {
  it('is linked from the first to the newest', () => {
    expect(linksOf(entry(1, null), entry(2, 'sha-1'), entry(3, 'sha-2'))).toEqual(['first', 'linked', 'linked']);
  });

  it('shows a manifest that is gone', () => {
    expect(linksOf(entry(1, null), entry(3, 'sha-2'))).toEqual(['first', 'gap']);
  });

  it('shows two that follow on the same one', () => {
    expect(linksOf(entry(1, null), entry(2, 'sha-1'), entry(3, 'sha-1'))).toEqual(['first', 'fork', 'fork']);
  });
});
