import { describe, expect, it } from 'vitest';
import { PROOF_TEXT_MAX } from '../../src/drill/clip.ts';
import { AUDIT_MAX_BYTES, decodeAudit, encodeAudit, judgeAudit } from '../../src/drill/judge.ts';
import { damaged, digestOf, manifestOf } from './samples.ts';

const manifest = { digests: [digestOf('public.a', 5, 1), digestOf('public.b', 7, 2)], assertions: [] };
const equal = { manifest, digests: manifest.digests, checks: [], assertions: [] };
const wrong = { name: 'invalid indexes', expected: '0', actual: '2', ok: false };

describe('judgeAudit', () => {
  it('passes when every class is equal', () => {
    const result = judgeAudit(equal);
    expect(result).toMatchObject({ verdict: 'PASSED', failedClasses: [], notMeasured: [] });
    expect(result.checks).toHaveLength(4);
    expect(result.checks.every((check) => check.ok)).toBe(true);
  });

  it('fails on a changed, a missing and a surplus class, and names them', () => {
    expect(judgeAudit({ ...equal, digests: damaged(manifest.digests, 'public.b') })).toMatchObject({
      verdict: 'FAILED',
      failedClasses: ['public.b'],
    });
    expect(judgeAudit({ ...equal, digests: [digestOf('public.b', 7, 2)] })).toMatchObject({
      verdict: 'FAILED',
      failedClasses: ['public.a'],
    });
    expect(judgeAudit({ ...equal, digests: [...manifest.digests, digestOf('public.c', 1, 3)] })).toMatchObject({
      verdict: 'FAILED',
      failedClasses: ['public.c'],
    });
  });

  it('fails on a check of the product alone, without blaming a class', () => {
    expect(judgeAudit({ ...equal, checks: [wrong] })).toMatchObject({ verdict: 'FAILED', failedClasses: [] });
    expect(judgeAudit({ ...equal, checks: [{ ...wrong, class: 'public.a' }] }).failedClasses).toEqual(['public.a']);
  });

  it('has measured nothing when it looked at no class, and says so', () => {
    const blind = judgeAudit({ ...equal, digests: [], checks: [{ ...wrong, ok: true }] });
    expect(blind.verdict).toBe('NOT_MEASURED');
    expect(blind.notMeasured).toEqual([{ what: 'the content of 2 classes', why: 'the audit looked at no class' }]);
    expect(blind.checks).toHaveLength(1);
    expect(judgeAudit({ ...equal, digests: [], checks: [wrong] }).verdict).toBe('FAILED');
  });

  it('has measured nothing when there is nothing to compare', () => {
    expect(judgeAudit({ manifest: { digests: [], assertions: [] }, digests: [], checks: [], assertions: [] }).verdict).toBe('NOT_MEASURED');
  });

  it('compares assertions, leaves those to the checks that answer them, and names those that nobody asked', () => {
    const asserted = { ...equal, manifest: { ...manifest, assertions: [{ name: 'product.version', value: '1.13.4' }] } };
    const notAsked = judgeAudit(asserted);
    expect(notAsked.verdict).toBe('PASSED');
    expect(notAsked.notMeasured).toEqual([{ what: 'product.version', why: 'the audit did not ask the restored system' }]);
    expect(judgeAudit({ ...asserted, assertions: [{ name: 'product.version', value: '1.13.5' }] })).toMatchObject({
      verdict: 'FAILED',
      notMeasured: [],
    });
    expect(judgeAudit({ ...asserted, assertions: [{ name: 'product.version', value: '1.13.4' }] })).toMatchObject({
      verdict: 'PASSED',
      notMeasured: [],
    });
    const itself = { name: 'product.version', expected: '1.13.4', actual: '1.13.4', ok: true };
    expect(judgeAudit({ ...asserted, checks: [itself] })).toMatchObject({ verdict: 'PASSED', notMeasured: [] });
  });

  it('keeps the verdict of a check whose texts it had to cut', () => {
    const long = 'x'.repeat(PROOF_TEXT_MAX);
    const [check] = judgeAudit({
      ...equal,
      digests: [],
      checks: [{ name: 'n', expected: `${long}1`, actual: `${long}2`, ok: false }],
    }).checks;
    expect(check?.ok).toBe(false);
    expect(check?.expected).toHaveLength(PROOF_TEXT_MAX);
  });
});

describe('the stored result', () => {
  it('comes back as it was', () => {
    const result = judgeAudit({ ...equal, manifest: manifestOf(), checks: [wrong] });
    expect(decodeAudit(encodeAudit(result))).toEqual(result);
  });

  it.each([
    ['no JSON', Buffer.from('{')],
    ['not UTF-8', Buffer.from([0x22, 0xff, 0x22])],
    ['another version', Buffer.from(JSON.stringify({ ...judgeAudit(equal), formatVersion: 2 }))],
    ['no verdict', Buffer.from(JSON.stringify({ ...judgeAudit(equal), verdict: 'MAYBE' }))],
    [
      'a digest that its buckets deny',
      Buffer.from(JSON.stringify({ ...judgeAudit(equal), digests: [{ ...digestOf('a', 1), digest: '0'.repeat(32) }] })),
    ],
    ['too many bytes', Buffer.alloc(AUDIT_MAX_BYTES + 1, ' ')],
  ])('is NotMeasured when it cannot be read: %s', (_, bytes) => {
    expect(() => decodeAudit(bytes)).toThrow(expect.objectContaining({ code: 'NotMeasured' }));
  });
});
