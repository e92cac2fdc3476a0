import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../src/backup/canonical.ts';
import { parseJson } from '../../src/json.ts';

describe('canonical JSON', () => {
  it('is RFC 8785 on its own example', () => {
    const value = {
      numbers: parseJson('[333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001]'),
      string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
      literals: [null, true, false],
    };
    expect(canonicalJson(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}\n',
    );
  });

  it('sorts keys by UTF-16 code units', () => {
    const value = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 };
    expect(Object.values(parseJson(canonicalJson(value)) as object)).toHaveLength(7);
    expect([...canonicalJson(value).matchAll(/:(\d)/g)].map(([, digit]) => digit).join('')).toBe('2467153');
  });

  it('means the same as plain JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(parseJson(canonicalJson(value))).toEqual(parseJson(JSON.stringify(value)));
      }),
    );
  });

  it('leaves out what is undefined, and refuses what JSON would turn into null', () => {
    expect(canonicalJson({ b: undefined, a: 1 })).toBe('{"a":1}\n');
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, { a: [undefined] }, undefined])
      expect(() => canonicalJson(value)).toThrow(TypeError);
  });
});
