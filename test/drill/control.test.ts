import { describe, expect, it } from 'vitest';
import { judgeControl } from '../../src/drill/control.ts';
import { auditOf, damaged, manifestOf } from './samples.ts';

const manifest = manifestOf();
const [first = '', second = '', third = ''] = manifest.digests.map((digest) => digest.name);
const auditAfter = (...names: readonly string[]) => auditOf(manifest, { digests: damaged(manifest.digests, ...names) });
const tampering = { what: ['changed a row'], classes: [second, first] };

describe('judgeControl', () => {
  it('is content when the audit failed on exactly the damaged classes, in any order', () => {
    expect(judgeControl(tampering, auditAfter(first, second))).toEqual({
      ok: true,
      what: ['changed a row'],
      expected: [first, second].sort(),
      failed: [first, second].sort(),
    });
  });

  it.each([
    ['missed all damage', auditAfter()],
    ['missed one', auditAfter(first)],
    ['failed on one too many', auditAfter(first, second, third)],
    ['failed on others', auditAfter(third)],
    ['looked at nothing', auditOf(manifest, { digests: [] })],
  ])('is not when the audit %s', (_, audit) => {
    expect(judgeControl(tampering, audit).ok).toBe(false);
  });

  it('proves nothing when nothing was damaged', () => {
    expect(judgeControl({ what: [], classes: [] }, auditAfter()).ok).toBe(false);
  });
});
