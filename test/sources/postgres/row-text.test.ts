import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { className } from '../../../src/sources/postgres/catalog.ts';
import { keyEnd, keyStart, writtenStart } from '../../../src/sources/postgres/row-text.ts';
import { literal, qualified } from '../../../src/sources/postgres/sql.ts';

const value = fc.string({ maxLength: 8, unit: fc.constantFrom('a', 'é', '\\', ' ', '🚀') });

describe('the text of a row', () => {
  it('is cut between generated and written columns, wherever it lies', () => {
    fc.assert(
      fc.property(
        fc.array(value, { maxLength: 4 }),
        fc.array(value, { minLength: 1, maxLength: 4 }),
        value,
        (generated, written, before) => {
          const line = [...generated, ...written].join('\t');
          const bytes = Buffer.from(`${before}\t${line}\nnext\tline`);
          const start = Buffer.byteLength(before) + 1;
          const end = start + Buffer.byteLength(line);
          const at = writtenStart(bytes, start, end, generated.length);
          expect(bytes.toString('utf8', at, end)).toBe(written.join('\t'));
          expect(bytes.toString('utf8', start, Math.max(start, at - 1))).toBe(generated.join('\t'));
        },
      ),
    );
  });

  it('has no written columns when all are generated', () => {
    expect(writtenStart(Buffer.from('a\tb\nc\td'), 0, 3, 2)).toBe(4);
    expect(writtenStart(Buffer.from('\n'), 0, 0, 1)).toBe(1);
  });

  it('has its key in front or behind', () => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 4 }), (columns) => {
        const row = Buffer.from(columns.join('\t'));
        const key = (at: 'first' | 'last' | 'row') => row.toString('utf8', keyStart(row, at), keyEnd(row, at));
        expect([key('first'), key('last'), key('row')]).toEqual([columns[0], columns.at(-1), columns.join('\t')]);
      }),
    );
  });
});

describe('names', () => {
  it('of classes are never the same for two tables', () => {
    const name = fc.string({ minLength: 1, maxLength: 6, unit: fc.constantFrom('a', '.', '"', ' ', '(') });
    fc.assert(
      fc.property(name, name, name, name, (a, b, c, d) => {
        expect(className(a, b) === className(c, d)).toBe(a === c && b === d);
      }),
      { numRuns: 2000 },
    );
    expect(className('public', 'tag_usage')).toBe('public.tag_usage');
  });

  it('and texts are quoted, and refused where no SQL can hold them', () => {
    expect(qualified('a"b', 'c')).toBe('"a""b"."c"');
    expect([literal("it's"), literal('a\\b')]).toEqual(["'it''s'", "E'a\\\\b'"]);
    expect(() => literal('a\0b')).toThrow(/zero byte/);
  });
});
