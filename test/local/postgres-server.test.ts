import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, lstat, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createDatabase, type PostgresServer, startPostgresServer } from '../../src/local/postgres-server.ts';
import { ownServer, postgresUrl, query } from '../support/postgres.ts';

const isRoot = process.getuid?.() === 0;
const GONE = { timeout: 15_000, interval: 50 };

describe('startPostgresServer', () => {
  it('runs a throw-away server and leaves nothing behind', async () => {
    const server = await ownServer();
    const [folder, version, encoding] = await row(
      server.url,
      `SELECT current_setting('data_directory'), current_setting('server_version_num'), pg_encoding_to_char(encoding)
       FROM pg_database WHERE datname = current_database()`,
    );
    expect(Number(version)).toBeGreaterThanOrEqual(180_000);
    expect(encoding).toBe('UTF8');
    expect(existsSync(String(folder))).toBe(true);

    await server.stop();
    expect(isAlive(server.pid)).toBe(false);
    expect(existsSync(String(folder))).toBe(false);
    await server.stop();
  });

  it('leaves nothing behind when PATH has nothing in it', async () => {
    vi.stubEnv('PATH', '/nonexistent');
    onTestFinished(() => {
      vi.unstubAllEnvs();
    });
    const server = await ownServer();
    const [folder] = await row(server.url, "SELECT current_setting('data_directory')");
    await server.stop();
    expect(existsSync(String(folder))).toBe(false);
  });

  it('keeps a named folder through a stop and through a crash', async () => {
    const dataDir = join(await temporary(), 'deep', 'data');
    const first = await ownServer({ dataDir });
    await query(first.url, 'CREATE TABLE t (a text); INSERT INTO t VALUES ($$stop$$)');
    await first.stop();

    const second = await ownServer({ dataDir, settings: { fsync: 'on' } });
    await query(second.url, 'INSERT INTO t VALUES ($$crash$$)');
    await second.kill();
    expect(isAlive(second.pid)).toBe(false);

    const third = await ownServer({ dataDir });
    expect((await lstat(dataDir)).isDirectory()).toBe(true);
    expect(await row(third.url, "SELECT string_agg(a, ' ' ORDER BY a) FROM t")).toEqual(['crash stop']);
  });

  it('passes settings on', async () => {
    const server = await ownServer({ settings: { work_mem: '7MB' } });
    expect(await row(server.url, 'SHOW work_mem')).toEqual(['7MB']);
  });

  it('asks for the password and shows it to no other process', async () => {
    const password = 'not: a @ simple / one';
    const server = await ownServer({ password });
    expect(await row(server.url, 'SELECT 1')).toEqual([1]);
    const wrong = new URL(server.url);
    wrong.password = 'wrong';
    await expect(row(wrong.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
    expect(await readFile(`/proc/${server.pid}/cmdline`, 'utf8')).not.toContain('simple');
  });

  it('names a port that is taken', async () => {
    const { port } = await ownServer();
    await expect(startPostgresServer({ port })).rejects.toMatchObject({
      code: 'ServerFailed',
      message: expect.stringContaining(String(port)),
    });
  });

  it('refuses a folder in which another server runs', async () => {
    const dataDir = join(await temporary(), 'data');
    await ownServer({ dataDir });
    await expect(startPostgresServer({ dataDir })).rejects.toMatchObject({
      code: 'ServerFailed',
      message: expect.stringContaining('postmaster.pid'),
    });
  });

  it('shows the log of a server that would not start', async () => {
    await expect(startPostgresServer({ settings: { shared_buffers: 'plenty' } })).rejects.toMatchObject({
      code: 'ServerFailed',
      message: expect.stringContaining('shared_buffers'),
    });
  });

  it('leaves a folder alone that holds something else', async () => {
    const dataDir = await temporary();
    await writeFile(join(dataDir, 'thesis.txt'), 'ten years');
    const owner = (await stat(dataDir)).uid;
    await expect(startPostgresServer({ dataDir })).rejects.toMatchObject({
      code: 'ServerFailed',
      message: expect.stringContaining(dataDir),
    });
    expect((await stat(dataDir)).uid).toBe(owner);
    expect(await readFile(join(dataDir, 'thesis.txt'), 'utf8')).toBe('ten years');
  });
});

describe('as root', () => {
  it.skipIf(!isRoot)('runs as another user', async () => {
    const server = await ownServer();
    expect((await stat(`/proc/${server.pid}`)).uid).not.toBe(0);
  });

  it.skipIf(!isRoot)('keeps the data outside of a home that the other user cannot enter, and finds it again', async () => {
    const home = await temporary();
    await chmod(home, 0o700);
    const dataDir = join(home, 'lifeboat', 'data');
    const first = await ownServer({ dataDir });
    await query(first.url, 'CREATE TABLE kept ()');
    const [outside] = await row(first.url, "SELECT current_setting('data_directory')");
    onTestFinished(() => rm(String(outside), { recursive: true }));
    await first.stop();
    expect((await lstat(dataDir)).isSymbolicLink()).toBe(true);
    expect((await stat(home)).mode & 0o777).toBe(0o700);

    const second = await ownServer({ dataDir });
    expect(await row(second.url, "SELECT to_regclass('kept')::text, current_setting('data_directory')")).toEqual(['kept', outside]);
  });
});

describe('when the process that started it', () => {
  const SERVER = join(import.meta.dirname, '../../src/local/postgres-server.ts');
  const start = `const s = await (await import(${JSON.stringify(SERVER)})).startPostgresServer();
    const c = new (await import('pg')).default.Client(s.url);
    await c.connect();
    const { rows } = await c.query("SELECT current_setting('data_directory') AS folder");
    console.log(JSON.stringify({ pid: s.pid, ...rows[0] }));`;

  it('is killed, the server goes with it', async () => {
    const { child, pid, folder } = await startIn(`${start} setInterval(() => {}, 1000);`);
    expect(isAlive(pid)).toBe(true);
    child.kill('SIGKILL');
    await vi.waitFor(() => expect(isAlive(pid) || existsSync(folder)).toBe(false), GONE);
  });

  it('ends without a word, the server goes with it', async () => {
    const { child, pid, folder } = await startIn(`${start} await c.end();`);
    if (child.exitCode === null) await once(child, 'exit');
    expect(child.exitCode).toBe(0);
    await vi.waitFor(() => expect(isAlive(pid) || existsSync(folder)).toBe(false), GONE);
  });

  async function startIn(script: string) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      cwd: dirname(SERVER),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => {
      child.kill('SIGKILL');
    });
    const [line] = await once(child.stdout, 'data');
    const { pid, folder }: { pid: number; folder: string } = JSON.parse(String(line));
    return { child, pid, folder };
  }
});

describe('createDatabase', () => {
  it('makes a database once, whatever its name', async () => {
    const name = `ünï "quoted" % ${Date.now()}`;
    const url = await createDatabase(postgresUrl(), name);
    onTestFinished(() => query(postgresUrl(), `DROP DATABASE "${name.replaceAll('"', '""')}"`));
    expect(await createDatabase(postgresUrl(), name)).toBe(url);
    expect(await row(url, 'SELECT current_database()')).toEqual([name]);
  });
});

async function temporary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lifeboat-test-'));
  await chmod(folder, 0o755);
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function row(url: string, sql: string): Promise<readonly unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<unknown[]>({ text: sql, rowMode: 'array' });
    return rows[0] ?? [];
  } finally {
    await client.end();
  }
}

function isAlive(pid: PostgresServer['pid']): boolean {
  return existsSync(`/proc/${pid}`);
}
