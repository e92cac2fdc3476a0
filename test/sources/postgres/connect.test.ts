import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { connect, versionOf, withConnection } from '../../../src/sources/postgres/connect.ts';
import { startupReply } from '../../../src/sources/postgres/schema/frontend.ts';
import { freshDatabase, ownServer, postgresUrl, query } from '../../support/postgres.ts';
import { addressOf, services } from './harness.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A server that speaks just enough, or says nothing. */
const fake = async (onData: (socket: Socket) => void): Promise<string> => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => onData(socket));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `postgres://me@127.0.0.1:${(server.address() as AddressInfo).port}/d?sslmode=disable`;
};

const reporting = (version: string) => fake((socket) => socket.write(startupReply([['server_version', version]])));

describe('a connection that cannot be made says why', () => {
  it('host down', async () => {
    const url = new URL(await fake(() => {}));
    await new Promise((resolve) => servers.splice(0)[0]?.close(resolve));
    await expect(connect(addressOf(url.href), services)).rejects.toMatchObject({
      code: 'ConnectionRefused',
      message: expect.stringContaining(`cannot connect to 127.0.0.1:${url.port}`),
      hint: expect.stringMatching(/host and port/),
    });
  });

  it('unknown host', async () => {
    await expect(connect(addressOf('postgres://u@no-such-host.invalid/d'), services)).rejects.toMatchObject({ code: 'ConnectionRefused' });
  });

  it('a host that does not answer, in bounded time', async () => {
    const url = await fake(() => {});
    await expect(connect(addressOf(url), services, { timeout: 200 })).rejects.toMatchObject({
      code: 'ConnectionRefused',
      hint: expect.stringMatching(/in time/),
    });
  });

  it('wrong password, and never tells it', async () => {
    const server = await ownServer({ password: 'right' });
    const url = new URL(server.url);
    url.password = 'wr0ng-one';
    const failure = await connect(addressOf(url.href), services).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'LoginFailed', message: expect.stringContaining('refused user "postgres"') });
    expect(JSON.stringify(failure, Object.getOwnPropertyNames(failure))).not.toContain('wr0ng-one');
    url.password = '';
    await expect(connect(addressOf(url.href), services)).rejects.toMatchObject({ code: 'LoginFailed' });
    const byReference = { ...addressOf(url.href), password: 'env:SECRET' };
    await withConnection(byReference, { secret: async () => 'right' }, async (connection) => {
      expect(await connection.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    });
  });

  it('database missing', async () => {
    const url = new URL(postgresUrl());
    url.pathname = '/nowhere';
    await expect(connect(addressOf(url.href), services)).rejects.toMatchObject({
      code: 'NoSuchDatabase',
      message: expect.stringContaining('"nowhere"'),
    });
  });

  it('TLS asked of a server without', async () => {
    const url = `${postgresUrl()}?sslmode=require`;
    await expect(connect(addressOf(url), services)).rejects.toMatchObject({
      code: 'ConnectionRefused',
      hint: expect.stringMatching(/no TLS/),
    });
  });

  it('certificate file missing', async () => {
    const url = `${postgresUrl()}?sslmode=verify-full&sslrootcert=/nowhere/ca.pem`;
    await expect(connect(addressOf(url), services)).rejects.toMatchObject({
      code: 'ConfigInvalid',
      message: expect.stringContaining('/nowhere/ca.pem'),
    });
  });

  it.each([
    ['12.22', /PostgreSQL 12, older than 13/],
    ['19beta1', /PostgreSQL 19, newer than known/],
  ])('server version %s', async (version, message) => {
    await expect(connect(addressOf(await reporting(version)), services)).rejects.toMatchObject({
      code: 'VersionUnsupported',
      message: expect.stringMatching(message),
    });
  });
});

describe('a connection', () => {
  it('has every setting pinned, whatever the database says', async () => {
    const fresh = await freshDatabase('pinned');
    await query(
      fresh.url,
      `ALTER DATABASE "${fresh.name}" SET extra_float_digits = 0; ALTER DATABASE "${fresh.name}" SET datestyle = 'German';
      ALTER DATABASE "${fresh.name}" SET timezone = 'Asia/Tokyo'; ALTER DATABASE "${fresh.name}" SET bytea_output = 'escape';
      ALTER DATABASE "${fresh.name}" SET idle_in_transaction_session_timeout = '1s'; ALTER DATABASE "${fresh.name}" SET transaction_timeout = '1s'`,
    );
    await withConnection(addressOf(fresh.url), services, async (connection) => {
      const [row] =
        await connection.query(`SELECT (0.1::float8 + 0.2)::text AS f, '2026-01-02'::date::text AS d, '2026-01-02 00:00+09'::timestamptz::text AS t,
        '\\x01'::bytea::text AS b, current_setting('idle_in_transaction_session_timeout') AS i, current_setting('transaction_timeout') AS x,
        current_setting('application_name') AS a`);
      expect(row).toEqual({
        f: '0.30000000000000004',
        d: '2026-01-02',
        t: '2026-01-01 15:00:00+00',
        b: '\\x01',
        i: '0',
        x: '0',
        a: 'lifeboat',
      });
    });
    await fresh.drop();
  });

  it('that is lost says so, and may be tried again', async () => {
    const server = await ownServer();
    const connection = await connect(addressOf(server.url), services);
    await server.kill();
    await expect(connection.query('SELECT 1', [], 'asking')).rejects.toMatchObject({ code: 'ConnectionLost', retryable: true });
    await connection.close();
  });

  it('knows versions as the server writes them', () => {
    expect([versionOf('15.20 (Debian 15.20-1)'), versionOf('18beta1'), versionOf('9.6.24')]).toEqual([150_020, 180_000, 90_006]);
  });
});
