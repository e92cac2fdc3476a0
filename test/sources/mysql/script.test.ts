import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readStatements } from '../../../src/sources/mysql/script.ts';
import { literal } from '../../../src/sources/mysql/sql.ts';
import { isOfMarker, kindOf, withoutDefiner, withoutSchedule } from '../../../src/sources/mysql/statement.ts';

const statements = (text: string, cut = 1_000): Promise<string[]> =>
  Array.fromAsync(
    readStatements(
      (async function* () {
        const bytes = Buffer.from(text);
        for (let at = 0; at < bytes.length; at += cut) yield bytes.subarray(at, at + cut);
      })(),
    ),
  );

describe('readStatements', () => {
  it('splits where the client would', async () => {
    const script = `-- a comment; with 'quotes
SET a = 1; SET b = 'x;\\'y'';z'; # another ; one
/* block ; */ SELECT "a;""b", \`c;\`\`d\`;
/*!40101 SET NAMES utf8 */;
;
DELIMITER $$
CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2--1; END
$$
DELIMITER ;
INSERT INTO t VALUES (1,'-- no comment'),
(2,'/* none */');
-- the end`;
    for (const cut of [1, 2, 3, 7, 1000]) {
      const found = await statements(script, cut);
      expect(found.map((sql) => sql.replaceAll(/^(--[^\n]*|#[^\n]*|\/\*[^!][\s\S]*?\*\/)\s*/g, ''))).toEqual([
        'SET a = 1',
        "SET b = 'x;\\'y'';z'",
        expect.stringContaining('SELECT "a;""b", `c;``d`'),
        '/*!40101 SET NAMES utf8 */',
        'CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2--1; END',
        "INSERT INTO t VALUES (1,'-- no comment'),\n(2,'/* none */')",
      ]);
    }
  });

  it('takes literals of any text apart from statements', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: 'binary', maxLength: 30 }), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 9 }),
        async (texts, cut) => {
          const made = texts.map((text) => `INSERT INTO t VALUES (${literal(text)})`);
          expect(await statements(`${made.join(';\n')};\n`, cut)).toEqual(made.map((sql) => Buffer.from(sql).toString()));
        },
      ),
      { numRuns: 100 },
    ));

  it.each(["INSERT INTO t VALUES ('abc", 'SELECT 1', 'SELECT 1; /* never ended', 'SELECT `a'])(
    'refuses a script that ends within %s',
    async (text) => {
      await expect(statements(text)).rejects.toMatchObject({ code: 'ArtifactInvalid' });
    },
  );
});

describe('statements', () => {
  it('are known by their first word', () => {
    expect(kindOf('-- x\nINSERT INTO t VALUES (1)')).toBe('INSERT');
    expect(kindOf('/* x */ create table t (a int)')).toBe('CREATE');
    expect(kindOf('/*!40101 SET x */')).toBe('');
    expect(isOfMarker("INSERT INTO `lifeboat_restore` (item) VALUES ('x')")).toBe(true);
  });

  it('lose their definer and nothing else', () => {
    expect(withoutDefiner('CREATE DEFINER=`ro``ot`@`%` PROCEDURE `p`() SELECT 1')).toBe('CREATE PROCEDURE `p`() SELECT 1');
    expect(withoutDefiner('CREATE OR REPLACE ALGORITHM=UNDEFINED DEFINER=`a`@`b` SQL SECURITY DEFINER VIEW `v` AS select 1')).toBe(
      'CREATE OR REPLACE ALGORITHM=UNDEFINED SQL SECURITY DEFINER VIEW `v` AS select 1',
    );
    expect(withoutDefiner("CREATE PROCEDURE p() SELECT 'DEFINER=`a`@`b` '")).toBe("CREATE PROCEDURE p() SELECT 'DEFINER=`a`@`b` '");
  });

  it('of events come disabled, others do not', () => {
    const event = 'CREATE DEFINER=`a`@`b` EVENT `e` ON SCHEDULE EVERY 1 DAY ON COMPLETION NOT PRESERVE ENABLE DO SELECT 1';
    expect(withoutSchedule(event)).toContain('ON COMPLETION NOT PRESERVE DISABLE DO');
    const other = "CREATE PROCEDURE p() SELECT 'ON COMPLETION PRESERVE ENABLE '";
    expect(withoutSchedule(other)).toBe(other);
  });
});
