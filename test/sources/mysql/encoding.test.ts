import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressFromUrl, redact } from '../../../src/sources/mysql/address.ts';
import { parseVersion } from '../../../src/sources/mysql/connect.ts';
import { columnOf, openEncoder } from '../../../src/sources/mysql/encoding.ts';
import { conditionOf, refuseTooLarge } from '../../../src/sources/mysql/plan.ts';
import { literal } from '../../../src/sources/mysql/sql.ts';

const row = (types: readonly string[], values: readonly (string | Buffer | null)[], key: readonly string[] = []) =>
  openEncoder(
    types.map((type, i) => columnOf(`c${i}`, type)),
    key,
  ).encode(
    values.map((value) => (typeof value === 'string' ? Buffer.from(value) : value)),
    0,
  );

describe('the encoding of a row', () => {
  it('writes each type as the artifact has it', () => {
    const { row: tuple } = row(
      ['int', 'float', 'bit', 'varchar', 'longblob', 'blob', 'json', 'datetime', 'point', 'text'],
      ['-5', '-0', '7', "it's \\ \n\0", Buffer.from([0, 255]), '', '{"a":1}', '0000-00-00 00:00:00', Buffer.from([1]), null],
    );
    expect(tuple.toString()).toBe("(-5,'-0',7,'it\\'s \\\\ \\n\\0',0x00ff,'','{\"a\":1}','0000-00-00 00:00:00',0x01,NULL)");
  });

  it('escapes text as a literal is', () =>
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.nat({ max: 0x7f }), fc.nat({ max: 0x10ffff }))), (codes) => {
        const text = String.fromCodePoint(...codes);
        expect(row(['text'], [text]).row.toString()).toBe(`(${literal(Buffer.from(text).toString())})`);
      }),
    ));

  it('finds the key where its columns lie side by side, and else takes the whole row', () => {
    const keyOf = (key: readonly string[]): string => {
      const encoded = row(['int', 'varchar', 'int'], ['1', 'b', '3'], key);
      return encoded.row.toString('utf8', encoded.keyStart, encoded.keyEnd);
    };
    expect(keyOf(['c0'])).toBe('1');
    expect(keyOf(['c2', 'c1'])).toBe("'b',3");
    expect(keyOf(['c0', 'c2'])).toBe("(1,'b',3)");
    expect(keyOf([])).toBe("(1,'b',3)");
    expect(keyOf(['gone'])).toBe("(1,'b',3)");
  });

  it('grows with the longest row, and does not mix rows', () => {
    const encoder = openEncoder([columnOf('a', 'text'), columnOf('b', 'blob')], []);
    const long = Buffer.alloc(300_000, 0x27);
    expect(encoder.encode([long, long], 0).row.length).toBe(2 + 2 + 600_000 + 1 + 2 + 600_000);
    expect(encoder.encode([Buffer.from('x'), null], 0).row.toString()).toBe("('x',NULL)");
  });
});

describe('ranges', () => {
  const range = { column: 'a', index: 'PRIMARY', nullable: true, kind: 'number' } as const;
  it('are disjoint and complete, with the NULLs in the first', () => {
    const conditions = [
      { table: 't', from: null, to: '5' },
      { table: 't', from: '5', to: '9' },
      { table: 't', from: '9', to: null },
    ].map((piece) => conditionOf(piece, range));
    expect(conditions).toEqual([' WHERE (`a` IS NULL OR `a` < 5)', ' WHERE `a` >= 5 AND `a` < 9', ' WHERE `a` >= 9']);
    expect(conditionOf({ table: 't', from: null, to: null }, range)).toBe('');
  });

  it('that no lanes can read in their time are refused before anything runs', () => {
    expect(() => refuseTooLarge(100e9, 2, 900_000)).toThrow(
      expect.objectContaining({ code: 'TooLargeForLanes', hint: expect.stringContaining('clone') }),
    );
    expect(() => refuseTooLarge(100e9, 16, 900_000)).not.toThrow();
  });
});

describe('addresses and versions', () => {
  it('come from URLs, without a password in what is shown', () => {
    const address = addressFromUrl(new URL('mysql://me:se%40cret@db:3307/cat?sslmode=require'));
    expect(address).toMatchObject({ host: 'db', port: 3307, database: 'cat', user: 'me', inlinePassword: 'se@cret', sslmode: 'require' });
    expect(redact(address)).toBe('mysql://me@db:3307/cat');
    expect(() => addressFromUrl(new URL('mysql://db/cat?charset=x'))).toThrow(expect.objectContaining({ code: 'Usage' }));
    expect(() => addressFromUrl(new URL('mysql://db'))).toThrow(expect.objectContaining({ code: 'Usage' }));
  });

  it.each([
    ['10.11.19-MariaDB-0+deb12u1', 'MariaDB', 101_119],
    ['5.5.5-10.6.1-MariaDB-log', 'MariaDB', 100_601],
    ['8.0.36', 'MySQL', 80_036],
    ['9.7.4-debug', 'MySQL', 90_704],
  ])('%s is %s %d', (text, product, version) => {
    expect(parseVersion(text)).toMatchObject({ product, version });
  });
});
