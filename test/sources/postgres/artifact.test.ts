import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { Client } from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { type FreshDatabase, freshDatabase, query } from '../../support/postgres.ts';
import { dumpDatabase } from './harness.ts';

/** With CI=true a missing tool is a failure, not a reason to skip. */
const PSQL = process.env['CI'] === 'true' || spawnSync('psql', ['--version']).status === 0;
const ZSTD = process.env['CI'] === 'true' || spawnSync('zstd', ['--version']).status === 0;

const made: FreshDatabase[] = [];
const database = async (sql = 'SELECT'): Promise<string> => {
  const fresh = await freshDatabase('artifact');
  made.push(fresh);
  await query(fresh.url, sql);
  return fresh.url;
};
afterEach(async () => {
  for (const fresh of made.splice(0)) await fresh.drop();
});

const psql = (url: string, script: Buffer) =>
  spawnSync('psql', ['-X', '-q', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-d', url], { input: script, encoding: 'utf8' });

const tables = async (url: string): Promise<number> => {
  const client = new Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ n: number }>("SELECT count(*)::int AS n FROM pg_class WHERE relnamespace = 'public'::regnamespace");
  await client.end();
  return rows[0]?.n ?? -1;
};

const SOURCE = `CREATE TABLE t (a int PRIMARY KEY, b text); INSERT INTO t SELECT g, 'row ' || g FROM generate_series(1, 500) g;
  CREATE TABLE "100%s 'quoted'" (a int); INSERT INTO "100%s 'quoted'" VALUES (1); CREATE SEQUENCE s`;

describe('the artifact', () => {
  it('begins and ends as one transaction that stops at the first error', async () => {
    const { script, segments } = await dumpDatabase(await database(SOURCE));
    const text = script.toString('utf8');
    expect(text.startsWith('\\set ON_ERROR_STOP on\nBEGIN;\n')).toBe(true);
    expect(text.endsWith('COMMIT;\n')).toBe(true);
    expect(segments.map((segment) => segment.ordinal)).toEqual(['000000.0000', '000001.0000', '000002.0000', '000004.0000', '999999.0000']);
  });

  it('cut anywhere leaves nothing behind', async ({ skip }) => {
    if (!PSQL) skip('psql is not installed');
    const { script } = await dumpDatabase(await database(SOURCE));
    const target = await database();
    for (const part of [0.2, 0.35, 0.5, 0.7, 0.9, 0.97]) {
      psql(target, script.subarray(0, Math.floor(script.length * part)));
      expect(await tables(target), `cut at ${part}`).toBe(0);
    }
    expect(psql(target, script)).toMatchObject({ status: 0, stderr: '' });
    expect(await tables(target)).toBeGreaterThan(2);
  });

  it.each([
    ['a row', (text: string) => text.replace('7\trow 7\n', ''), 'public.t has 499 rows instead of 500: the restore is not whole'],
    [
      'a row of a table with a strange name',
      (text: string) => text.replace('\n1\n\\.', '\n\\.'),
      `public."100%s 'quoted'" has 0 rows instead of 1`,
    ],
  ])('without %s refuses to commit, and names the table', async (_what, damage, message) => {
    const { script } = await dumpDatabase(await database(SOURCE));
    const damaged = Buffer.from(damage(script.toString('utf8')));
    expect(damaged.length).toBeLessThan(script.length);
    const trailer = damaged.toString('utf8').slice(damaged.toString('utf8').indexOf('DO '));
    expect(trailer).toContain(message.replaceAll("'", "''''").split(' has ')[0]);
    if (!PSQL) return;
    const target = await database();
    const { status, stderr } = psql(target, damaged);
    expect(stderr).toContain(message);
    expect(status).toBe(3);
    expect(await tables(target)).toBe(0);
  });

  it('has a guide whose commands restore it', async ({ skip }) => {
    if (!PSQL || !ZSTD) skip('psql and zstd are not installed');
    const url = await database(`${SOURCE}; CREATE ROLE "odd \`\`\` owner"; ALTER TABLE t OWNER TO "odd \`\`\` owner"`);
    const { conclusion, segments, texts } = await dumpDatabase(url);
    expect(conclusion.guide).toContain('CREATE ROLE "odd ``` owner";');
    const folder = await mkdtemp(join(tmpdir(), 'artifact-'));
    await mkdir(join(folder, 'segments'));
    for (const { key, ordinal } of segments) await writeFile(join(folder, key), zstdCompressSync(texts.get(ordinal) ?? ''));
    await writeFile(join(folder, 'segments.txt'), segments.map(({ key }) => `${key}\n`).join(''));
    const commands = /### Restore.*?```sh\n(.*?)\n```/s.exec(conclusion.guide)?.[1] ?? '';
    const { hostname, port, username, pathname } = new URL(url);
    const env = { PATH: process.env['PATH'], PGHOST: hostname, PGPORT: port, PGUSER: username };
    expect(spawnSync('bash', ['--norc', '--noprofile', '-e', '-c', commands], { cwd: folder, env, encoding: 'utf8' })).toMatchObject({
      status: 0,
      stderr: '',
    });
    const restored = new URL(url);
    restored.pathname = `${pathname}_restored`;
    expect((await dumpDatabase(restored.href)).digests).toEqual((await dumpDatabase(url)).digests);
    await query(url, `DROP DATABASE "${restored.pathname.slice(1)}"`);
    await query(url, 'DROP OWNED BY "odd ``` owner"; DROP ROLE "odd ``` owner"');
    await rm(folder, { recursive: true });
  });
});
