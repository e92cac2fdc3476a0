import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { parseJson } from '../src/json.ts';

const text = (length: number) =>
  fc.string({ unit: fc.constantFrom('"', '\\', '\n', '\u0001', 'a', 'é', '😀', '\ud800'), maxLength: length });

/** With what the defect needs: keys of which one is a part of another as it is written. */
const json = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    text(4),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(text(2), tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;

describe('parseJson', () => {
  beforeEach(() => {
    // What makes V8 take the keys below for this one.
    JSON.parse('{"h":[],"\\\\":0}');
  });

  it.each(['"', '\n', '\r', '\u0001'])('reads the key %j as it was written', (key) => {
    expect(Object.keys(parseJson(JSON.stringify({ h: 1, [key]: 2 })) as object)).toEqual(['h', key]);
  });

  it('reads what JSON.stringify wrote', () => {
    fc.assert(
      fc.property(json, fc.constantFrom(undefined, 1, '\t'), (value, indent) => {
        expect(parseJson(JSON.stringify(value, null, indent))).toStrictEqual(value);
      }),
      { numRuns: 2000 },
    );
  });

  it('keeps the order of keys, the last of two, and a key that would be its stand-in', () => {
    expect(JSON.stringify(parseJson('{"\\u0061":1,"b":2,"a":3}'))).toBe('{"a":3,"b":2}');
    expect(JSON.stringify(parseJson('{"lifeboat-key-0":1,"\\n":2,"lifeboat-key-1":3}'))).toBe(
      '{"lifeboat-key-0":1,"\\n":2,"lifeboat-key-1":3}',
    );
  });

  it('keeps __proto__ a key', () => {
    const value = parseJson('{"__proto__":{"x":1},"\\n":2}') as object;
    expect(Object.keys(value)).toEqual(['__proto__', '\n']);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  it('shows values to who revives them, not stand-ins', () => {
    const exact = parseJson('{"\\n":12345678901234567890,"b":"\\n"}', (value, source) => (typeof value === 'number' ? source : value));
    expect(exact).toEqual({ '\n': '12345678901234567890', b: '\n' });
  });

  it.each(['{"\\n', '{"\\n"', '{"\\n":', '{"\\x":1}', '"\\', '{"\\n":1}}', ''])('fails on %j with SyntaxError', (broken) => {
    expect(() => parseJson(broken)).toThrow(SyntaxError);
  });

  it('takes time in proportion to the text', () => {
    const many = `{"k":"${'\\n'.repeat(2_000_000)}","\\n":1}`;
    expect(Object.keys(parseJson(many) as object)).toEqual(['k', '\n']);
  });
});
