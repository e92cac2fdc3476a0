import { describe, expect, it } from 'vitest';
import { decide, type Evidence, isFault } from '../../src/drill/verdict.ts';

const good: Evidence = { restore: 'done', audit: 'PASSED', control: 'ok', goalsMet: true };

describe('decide', () => {
  it.each<[string, Partial<Evidence>, string]>([
    ['all is well', {}, 'PASSED'],
    ['the audit found a difference', { audit: 'FAILED' }, 'FAILED'],
    ['the audit found a difference and there was no control', { audit: 'FAILED', control: 'not-run' }, 'FAILED'],
    ['the audit cannot fail', { control: 'failed' }, 'FAILED'],
    ['a goal was missed', { goalsMet: false }, 'FAILED'],
    ['a goal was missed and the audit broke off', { goalsMet: false, audit: null }, 'FAILED'],
    ['the backup cannot be restored', { restore: 'faulty', audit: null, control: 'not-run' }, 'FAILED'],
    ['the scratch system was not there', { restore: 'unknown', audit: null, control: 'not-run' }, 'NOT_MEASURED'],
    ['the audit broke off', { audit: null, control: 'not-run' }, 'NOT_MEASURED'],
    ['the audit looked at nothing', { audit: 'NOT_MEASURED', control: 'not-run' }, 'NOT_MEASURED'],
    ['there was no control', { control: 'not-run' }, 'NOT_MEASURED'],
  ])('%s', (_, change, verdict) => {
    expect(decide({ ...good, ...change })).toBe(verdict);
  });

  it('passes one combination of all, and fails exactly those in which something was seen to be wrong', () => {
    const all = (['done', 'faulty', 'unknown'] as const).flatMap((restore) =>
      (['PASSED', 'FAILED', 'NOT_MEASURED', null] as const).flatMap((audit) =>
        (['ok', 'failed', 'not-run'] as const).flatMap((control) =>
          [true, false].map((goalsMet): Evidence => ({ restore, audit, control, goalsMet })),
        ),
      ),
    );
    expect(all).toHaveLength(72);
    expect(all.filter((evidence) => decide(evidence) === 'PASSED')).toEqual([good]);
    const seenWrong = all.filter(({ restore, audit, control, goalsMet }) =>
      [restore, audit, control, goalsMet].some((seen) => ['faulty', 'FAILED', 'failed', false].includes(seen ?? '')),
    );
    expect(all.filter((evidence) => decide(evidence) === 'FAILED')).toEqual(seenWrong);
  });
});

describe('isFault', () => {
  it.each(['SegmentMismatch', 'ArtifactInvalid', 'CountMismatch', 'NoSuchObject', 'RestoreFailed'])(
    '%s in a restore speaks of the backup',
    (code) => {
      expect(isFault('restore', code)).toBe(true);
      expect(isFault('provision', code)).toBe(false);
      expect(isFault('discard', code)).toBe(false);
    },
  );

  it.each([
    'ConnectionRefused',
    'ConnectionLost',
    'LoginFailed',
    'TargetFull',
    'StoreUnavailable',
    'FunctionKilled',
    'States.Timeout',
    'TypeError',
    'FormatTooNew',
  ])('%s does not', (code) => {
    expect(isFault('restore', code)).toBe(false);
  });
});
