import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readScript } from '../../../src/sources/postgres/script.ts';
import { statementScanner } from '../../../src/sources/postgres/statement-scanner.ts';

type Seen = { sql: string } | { copy: string; rows: string } | { meta: string } | { end: true };

async function* blocks(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  const places = [...new Set([0, ...cuts.filter((cut) => cut < bytes.length), bytes.length])].sort((a, b) => a - b);
  for (let i = 1; i < places.length; i++) yield bytes.subarray(places[i - 1], places[i]);
}

async function read(script: string | Uint8Array, cuts: readonly number[] = []): Promise<Seen[]> {
  const seen: Seen[] = [];
  for await (const item of readScript(blocks(Buffer.from(script as string), cuts))) {
    if (item.kind === 'sql') seen.push({ sql: item.text });
    else if (item.kind === 'meta') seen.push({ meta: item.text });
    else if (item.kind === 'end') seen.push({ end: true });
    else {
      const rows: Buffer[] = [];
      for await (const block of item.rows) rows.push(Buffer.from(block));
      seen.push({ copy: item.statement, rows: Buffer.concat(rows).toString() });
    }
  }
  return seen;
}

const ATOMIC = `CREATE OR REPLACE FUNCTION public.f(a integer) RETURNS integer
    LANGUAGE sql
    BEGIN ATOMIC
 SELECT CASE WHEN (f.a > 0) THEN 1 ELSE 2 END AS x;
 SELECT f.a;
END`;

const STATEMENTS = [
  `SELECT 'a;b', 'it''s', ''`,
  `SELECT E'a\\';b', e'\\\\', E'x''\\';'`,
  `SELECT E'one'\n  '\\';two'`,
  `SELECT "se;mi", "quo""te"`,
  'CREATE FUNCTION f() RETURNS void AS $_$ begin; $a$ ; $$ ; end $_$ LANGUAGE plpgsql',
  'SELECT $$a;b$$, $1, a$b$c FROM t -- not; here\nWHERE x',
  'SELECT 1 /* ; /* nested; */ ; */ + 1 - 2 / 3',
  `CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; DELETE FROM b)`,
  ATOMIC,
  'CREATE TABLE "größe" (数据 text)',
  `SELECT U&'\\0441;', X'1F', 'end' AS "begin"`,
];

describe('readScript', () => {
  it('cuts statements as psql does', async () => {
    expect(await read(STATEMENTS.map((statement) => `${statement};\n`).join('\n'))).toEqual(STATEMENTS.map((sql) => ({ sql })));
  });

  it('leaves out what stands between statements', async () => {
    expect(await read('-- a; b\n/* c; */ ;;\nSELECT 1 ;  -- d\n')).toEqual([{ sql: 'SELECT 1' }]);
  });

  it('reads COPY data', async () => {
    const script =
      'COPY "t" (a, b) FROM stdin;\n1\t\\\\.\n\\N\t\\.x\n\n\\.\nSELECT 1;\nCOPY e FROM STDIN WITH (FORMAT csv);\n\\.\r\nSELECT 2;';
    expect(await read(script)).toEqual([
      { copy: 'COPY "t" (a, b) FROM stdin', rows: '1\t\\\\.\n\\N\t\\.x\n\n' },
      { sql: 'SELECT 1' },
      { copy: 'COPY e FROM STDIN WITH (FORMAT csv)', rows: '' },
      { sql: 'SELECT 2' },
    ]);
  });

  it('sees that COPY elsewhere has no data', async () => {
    const script = `COPY t TO stdout; COPY t FROM '/a/stdin'; SELECT a FROM stdin; COPY (SELECT * FROM stdin) TO stdout;`;
    expect((await read(script)).every((item) => 'sql' in item)).toBe(true);
  });

  it('tolerates the commands of psql that a dump has, and names the others', async () => {
    expect(await read('\\set ON_ERROR_STOP on\n\\restrict aB3\nSELECT 1;\n\\unrestrict aB3')).toEqual([
      { meta: '\\set ON_ERROR_STOP on' },
      { meta: '\\restrict aB3' },
      { sql: 'SELECT 1' },
      { meta: '\\unrestrict aB3' },
    ]);
    for (const command of ['\\connect other', '\\! rm -rf x', '\\i file', '\\set ON_ERROR_STOP off']) {
      await expect(read(`${command}\n`)).rejects.toMatchObject({
        code: 'ArtifactInvalid',
        message: expect.stringContaining(command.split(' ')[0] ?? ''),
      });
    }
    await expect(read('SELECT 1 \\gexec\n')).rejects.toMatchObject({ code: 'ArtifactInvalid' });
  });

  it('sees the last words of pg_dump', async () => {
    expect(await read('SELECT 1;\n\n--\n-- PostgreSQL database dump complete\n--\n\n')).toEqual([{ sql: 'SELECT 1' }, { end: true }]);
    expect(await read('SELECT 1;\n-- PostgreSQL database dump complete')).toEqual([{ sql: 'SELECT 1' }, { end: true }]);
    expect(await read("SELECT '\n-- PostgreSQL database dump complete\n';\n-- PostgreSQL database dump complete, not\n")).toHaveLength(1);
  });

  it('refuses a script that ends too early, and one that is not UTF-8', async () => {
    for (const cut of [
      'SELECT 1',
      "SELECT ';",
      'SELECT $a$;',
      '/* ',
      'COPY t FROM stdin;',
      'COPY t FROM stdin;\n',
      'COPY t FROM stdin;\n1\n\\',
      'COPY t FROM stdin;\n1\n',
    ]) {
      await expect(read(cut)).rejects.toMatchObject({ code: 'ArtifactInvalid' });
    }
    await expect(read(Buffer.from("SELECT '\xff';", 'latin1'))).rejects.toMatchObject({ code: 'ArtifactInvalid' });
  });

  it('bounds a statement', () => {
    const scanner = statementScanner(10);
    expect(() => scanner.take(Buffer.from('SELECT 1234567890'), 0)).toThrow(/longer than 10 bytes/);
  });

  it('reads the same wherever its blocks end', async () => {
    const script = Buffer.from(
      `\\set ON_ERROR_STOP on\n${STATEMENTS.join(';\n')};\nCOPY a FROM stdin;\nx\\\\.\n\\\\\n\n\\.\n-- PostgreSQL database dump complete\n`,
    );
    const whole = await read(script);
    for (let cut = 1; cut < script.length; cut++) expect(await read(script, [cut])).toEqual(whole);
    expect(
      await read(
        script,
        Array.from(script, (_, i) => i),
      ),
    ).toEqual(whole);
  });

  it('gives back any statements and any rows, however they are cut (property)', async () => {
    const row = fc
      .array(fc.constantFrom('a', '\\\\', '.', '\\\\.', '\t', '\\N', 'é', '\\.x', '\r'), { maxLength: 6 })
      .map((parts) => parts.join(''))
      .filter((line) => !/^\\\.\r?$/.test(line));
    const item = fc.oneof(
      fc.constantFrom(...STATEMENTS).map((sql): Seen => ({ sql })),
      fc
        .array(row, { maxLength: 8 })
        .map((rows): Seen => ({ copy: 'COPY x (a) FROM stdin', rows: rows.map((line) => `${line}\n`).join('') })),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(item, { maxLength: 6 }), fc.array(fc.nat(400), { maxLength: 30 }), async (items, cuts) => {
        const script = items.map((it) => ('copy' in it ? `${it.copy};\n${it.rows}\\.\n` : 'sql' in it ? `${it.sql};\n` : '')).join('');
        expect(await read(script, cuts)).toEqual(items);
      }),
      { numRuns: 300 },
    );
  });
});
