import { execFileSync, spawnSync } from 'node:child_process';
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PostgresServer, startPostgresServer } from '../../../src/local/postgres-server.ts';
import { unprivilegedUser } from '../../../src/local/system-user.ts';
import { withConnection } from '../../../src/sources/postgres/connect.ts';
import { query } from '../../support/postgres.ts';
import { addressOf, dumpDatabase, services } from './harness.ts';

const OPENSSL = spawnSync('openssl', ['version']).status === 0;

describe.skipIf(!OPENSSL)('over TLS (skipped where openssl is not installed)', () => {
  let folder: string;
  let server: PostgresServer;
  const urlWith = (host: string, parameters: Record<string, string>): string => {
    const url = new URL(server.url);
    url.hostname = host;
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return url.href;
  };
  const encrypted = (url: string) =>
    withConnection(
      addressOf(url),
      services,
      async (connection) => (await connection.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'))[0]?.['ssl'],
    );
  const ca = () => join(folder, 'server.crt');

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tls-'));
    await chmod(folder, 0o755);
    const key = join(folder, 'server.key');
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', ca(), ...subject], {
      stdio: 'ignore',
    });
    await chmod(key, 0o600);
    const user = unprivilegedUser();
    if (user !== undefined) await chown(key, user.uid, user.gid);
    server = await startPostgresServer({ settings: { fsync: 'off', ssl: 'on', ssl_cert_file: ca(), ssl_key_file: key } });
  });
  afterAll(async () => {
    await server?.stop();
    await rm(folder, { recursive: true });
  });

  it('every mode that can connect does, encrypted where it says so', async () => {
    expect(await encrypted(urlWith('127.0.0.1', { sslmode: 'disable' }))).toBe(false);
    expect(await encrypted(urlWith('127.0.0.1', {}))).toBe(true);
    expect(await encrypted(urlWith('127.0.0.1', { sslmode: 'require' }))).toBe(true);
    expect(await encrypted(urlWith('127.0.0.1', { sslmode: 'verify-ca', sslrootcert: ca() }))).toBe(true);
    expect(await encrypted(urlWith('localhost', { sslmode: 'verify-full', sslrootcert: ca() }))).toBe(true);
  });

  it.each([
    ['an unknown authority', 'localhost', { sslmode: 'verify-full' }],
    ['another host name', '127.0.0.1', { sslmode: 'verify-full', trusted: 'yes' }],
  ])('a certificate of %s is refused', async (_what, host, { trusted, ...mode }: { sslmode: string; trusted?: string }) => {
    const url = urlWith(host, { ...mode, ...(trusted === undefined ? {} : { sslrootcert: ca() }) });
    await expect(encrypted(url)).rejects.toMatchObject({ code: 'ConnectionRefused', hint: expect.stringContaining('sslrootcert') });
  });

  it('a dump is the same as without', async () => {
    await query(
      server.url,
      `CREATE TABLE big AS SELECT g, repeat(md5(g::text), 20) AS pad FROM generate_series(1, 20000) g; CREATE INDEX ON big (g)`,
    );
    const plain = await dumpDatabase(urlWith('127.0.0.1', { sslmode: 'disable' }));
    const secure = await dumpDatabase(urlWith('localhost', { sslmode: 'verify-full', sslrootcert: ca() }));
    expect(secure.digests).toEqual(plain.digests);
    expect(secure.script.equals(plain.script)).toBe(true);
  });
});
