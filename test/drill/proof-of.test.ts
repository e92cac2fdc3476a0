import { describe, expect, it } from 'vitest';
import { decodeProof, encodeProof } from '../../src/backup/proof.ts';
import { type DrillParts, proofOf, type StepError } from '../../src/drill/proof-of.ts';
import { auditOf, damaged, failed, manifestOf, notMeasured, partsOf, passed } from './samples.ts';

const manifest = manifestOf();
const names = manifest.digests.map((digest) => digest.name);
const error = (step: StepError['step'], code = 'ConnectionLost'): StepError => ({
  step,
  code,
  message: `${step} broke off`,
  hint: 'Try again.',
});
const proof = (changes: Partial<DrillParts>) => proofOf(partsOf(manifest, changes));
const nothing = { audit: null, control: null, rtoSeconds: null };
const whats = (of: ReturnType<typeof proofOf>): string[] => of.notMeasured.map(({ what }) => what);

describe('proofOf', () => {
  it('passes a drill that did all it should', () => {
    expect(passed()).toMatchObject({
      verdict: 'PASSED',
      rtoSeconds: 252.4,
      rpoSeconds: 5395.88,
      notMeasured: [],
      failure: null,
      control: { ok: true, expected: [names[1], names[0]], failed: [names[1], names[0]] },
    });
  });

  it('can be stored, whatever its verdict', () => {
    for (const one of [passed(), failed(), notMeasured()]) expect(decodeProof(encodeProof(one))).toEqual(one);
  });

  it('can be stored when a step failed with pages of text', () => {
    const wordy = proof({
      ...nothing,
      errors: [{ step: 'restore', code: 'RestoreFailed', message: 'x'.repeat(100_000), hint: 'y'.repeat(100_000) }],
    });
    expect(decodeProof(encodeProof(wordy)).verdict).toBe('FAILED');
  });

  it('fails on a mismatch, and leaves the control out: a failed audit cannot be shown to fail', () => {
    const mismatch = proof({ audit: auditOf(manifest, { digests: damaged(manifest.digests, names[0] ?? '') }) });
    expect(mismatch).toMatchObject({ verdict: 'FAILED', control: null, failure: null });
    expect(mismatch.notMeasured).toEqual([
      { what: 'the negative control: whether the audit can fail', why: 'the audit had not passed before any damage was done' },
    ]);
  });

  it.each(['SegmentMismatch', 'RestoreFailed'])('fails when the backup itself stopped the restore (%s)', (code) => {
    expect(proof({ ...nothing, errors: [error('restore', code)] })).toMatchObject({
      verdict: 'FAILED',
      failure: { code, hint: 'Try again.' },
    });
  });

  it.each<[string, Partial<DrillParts>, string[]]>([
    [
      'provision',
      { ...nothing, errors: [error('provision')] },
      ['the time to restore', 'the content of the restored system', 'the negative control: whether the audit can fail'],
    ],
    [
      'restore',
      { ...nothing, errors: [error('restore')] },
      ['the time to restore', 'the content of the restored system', 'the negative control: whether the audit can fail'],
    ],
    [
      'audit',
      { audit: null, control: null, errors: [error('audit', 'TypeError')] },
      ['the content of the restored system', 'the negative control: whether the audit can fail'],
    ],
    ['control', { control: null, errors: [error('control')] }, ['the negative control: whether the audit can fail']],
  ])('is not measured when the surroundings or the checker broke at %s, and says what and why', (step, changes, what) => {
    const broken = proof(changes);
    expect(broken).toMatchObject({ verdict: 'NOT_MEASURED', failure: { message: `${step} broke off` } });
    expect(whats(broken)).toEqual(what);
    expect(broken.notMeasured.every(({ why }) => why.includes(`${step} broke off`))).toBe(true);
  });

  it.each<[string, Partial<DrillParts>, string]>([
    ['was not run', { control: null }, 'nothing was damaged on purpose'],
    [
      'damaged nothing',
      { control: { tampering: { what: [], classes: [] }, audit: auditOf(manifest) } },
      'this backup holds nothing that could be damaged',
    ],
    [
      'was not looked at',
      { control: { tampering: { what: ['x'], classes: names.slice(0, 1) }, audit: auditOf(manifest, { digests: [] }) } },
      'the audit did not look at the damaged system',
    ],
  ])('is not measured when the control %s', (_, changes, why) => {
    const without = proof(changes);
    expect(without).toMatchObject({ verdict: 'NOT_MEASURED', control: null });
    expect(without.notMeasured).toEqual([{ what: 'the negative control: whether the audit can fail', why }]);
  });

  it('fails when the audit did not notice the damage', () => {
    const blind = proof({ control: { tampering: { what: ['x'], classes: names.slice(0, 1) }, audit: auditOf(manifest) } });
    expect(blind).toMatchObject({ verdict: 'FAILED', control: { ok: false, expected: names.slice(0, 1), failed: [] } });
  });

  it('keeps the verdict and names what is left over when the scratch system could not be removed', () => {
    expect(proof({ errors: [error('discard')] })).toMatchObject({ verdict: 'PASSED', failure: { message: 'discard broke off' } });
    const twice = proof({ ...nothing, errors: [error('discard'), error('restore')] });
    expect(twice).toMatchObject({ verdict: 'NOT_MEASURED', failure: { message: 'restore broke off' } });
    expect(twice.notMeasured.at(-1)).toEqual({ what: 'whether the scratch system was removed', why: 'ConnectionLost: discard broke off' });
  });

  it('fails when a goal was missed, by a check that says by how much', () => {
    const slow = proof({ goals: { rtoSeconds: 120, rpoSeconds: 3600 } });
    expect(slow.verdict).toBe('FAILED');
    expect(slow.checks.filter((check) => !check.ok)).toEqual([
      { name: 'time to restore within its goal', expected: 'at most 2 min', actual: '4 min 12 s', ok: false },
      { name: 'age of the backup within its goal', expected: 'at most 1 h', actual: '1 h 30 min', ok: false },
    ]);
    expect(proof({ goals: { rtoSeconds: 252.4 } }).verdict).toBe('PASSED');
  });

  it('does not judge a goal that it could not measure', () => {
    expect(proof({ ...nothing, goals: { rtoSeconds: 1 }, errors: [error('restore')] })).toMatchObject({
      verdict: 'NOT_MEASURED',
      checks: [],
    });
  });

  it('says so when the clocks differ, instead of a negative age', () => {
    const early = proof({ startedAt: new Date('2026-11-21T01:00:00Z'), goals: { rpoSeconds: 60 } });
    expect(early).toMatchObject({ rpoSeconds: 0, verdict: 'PASSED' });
    expect(whats(early)).toEqual(['the age of the backup']);
    expect(early.checks.some((check) => check.name.startsWith('age'))).toBe(false);
  });

  it('refuses a point in time that is no time', () => {
    const pointInTime = { consistency: 'fuzzy', at: 'yesterday', token: null } as const;
    expect(() => proof({ manifest: { ...manifest, pointInTime } })).toThrow(expect.objectContaining({ code: 'ManifestInvalid' }));
  });
});
