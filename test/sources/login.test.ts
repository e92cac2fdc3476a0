import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { Signer } from '@aws-sdk/rds-signer';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { openSecrets } from '../../src/environment/secrets.ts';
import { type PostgresServer, startPostgresServer } from '../../src/local/postgres-server.ts';
import { iamProblem, rdsAuthorities, tlsMode, trustsRds } from '../../src/sources/login.ts';
import { MysqlAddressSchema } from '../../src/sources/mysql/address.ts';
import { withConnection as withMysql } from '../../src/sources/mysql/connect.ts';
import { PostgresAddressSchema } from '../../src/sources/postgres/address.ts';
import { withConnection } from '../../src/sources/postgres/connect.ts';
import { systemOf } from '../../src/sources/registry.ts';
import { type Certificates, makeCertificates, opensslMissing } from '../support/certificates.ts';
import { type MariadbServer, mariadbMissing, sql, startMariadb } from '../support/mariadb.ts';
import { query } from '../support/postgres.ts';

const RDS = 'catalog.cluster-abc123.eu-central-1.rds.amazonaws.com';
const NOW = new Date('2026-11-21T13:00:00Z');

/** A token is the same within one second, so a server can be told beforehand what it is to take. */
const tokenFor = (hostname: string, port: number, username: string): Promise<string> =>
  new Signer({ hostname, port, username, region: 'eu-central-1' }).getAuthToken();

const secretsOf = (values: readonly string[]) => {
  const asked: string[] = [];
  const secretsManager = async (arn: string): Promise<string> => {
    asked.push(arn);
    return values[Math.min(asked.length, values.length) - 1] ?? '';
  };
  return { asked, secret: openSecrets({ env: {}, secretsManager }).resolve };
};
const REFERENCE = 'secretsmanager:arn:aws:secretsmanager:eu-central-1:123456789012:secret:x-AbCdEf';

beforeEach(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIATEST');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
  vi.stubEnv('AWS_REGION', 'eu-central-1');
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

describe('an address that says nothing about TLS', () => {
  const mode = (host: string, auth: 'password' | 'iam' = 'password') =>
    tlsMode({ host, port: 1, user: 'u', auth }, 'prefer', 'verify-full');

  it('is verified where it is one of RDS, takes tokens, or is used in a function', () => {
    expect(mode('db.example.com')).toBe('prefer');
    expect(mode('rds.amazonaws.com.example.com')).toBe('prefer');
    for (const host of [RDS, 'x.proxy-abc.us-gov-west-1.rds.amazonaws.com', 'x.abc.cn-north-1.rds.amazonaws.com.cn'])
      expect(mode(host), host).toBe('verify-full');
    expect(mode('db.example.com', 'iam')).toBe('verify-full');
    vi.stubEnv('AWS_LAMBDA_FUNCTION_NAME', 'prod-catalog-dump-task');
    expect(mode('db.example.com')).toBe('verify-full');
  });

  it("trusts Amazon's authorities at RDS alone, unless it names others", () => {
    const trusts = (host: string, sslrootcert?: string) =>
      trustsRds({ host, port: 1, user: 'u', auth: 'password', sslrootcert }, 'verify-full');
    expect([trusts(RDS), trusts(RDS, '/my.pem'), trusts('db.example.com'), trusts('db.example.com', 'rds')]).toEqual([
      true,
      false,
      false,
      true,
    ]);
  });
});

it('brings the authorities of RDS of each commercial region, which end late', async () => {
  const found = (await rdsAuthorities()).map((pem) => new X509Certificate(pem));
  expect(found.every(({ ca }) => ca)).toBe(true);
  const lasting = found.filter(({ validTo }) => Date.parse(validTo) > Date.parse('2060-01-01')).map(({ subject }) => subject);
  for (const region of ['eu-central-1', 'us-east-1', 'ap-southeast-2', 'sa-east-1', 'me-central-1'])
    expect(lasting.filter((subject) => subject.includes(`Amazon RDS ${region} Root CA`)).length, region).toBe(3);
  expect(found.some(({ subject }) => subject.includes('Amazon Root CA 1'))).toBe(true);
});

it('refuses a token together with what cannot be, in an environment by the path of its field', () => {
  const login = { host: RDS, port: 5432, user: 'u', auth: 'iam' } as const;
  expect(iamProblem(login)).toBeUndefined();
  for (const kind of ['postgres', 'mysql'])
    for (const more of [{ password: REFERENCE }, { sslmode: 'prefer' }, { sslmode: 'disable' }, { host: '/tmp' }]) {
      const entry = { kind, address: { host: RDS, database: 'd', user: 'u', auth: 'iam', ...more } };
      expect(() => systemOf(entry, 'sources.sea'), `${kind} ${JSON.stringify(more)}`).toThrow(/sources\.sea\.auth/);
    }
  expect(() => systemOf({ kind: 'rds', address: { instance: 'sea', auth: 'iam' } }, 'sources.sea')).toThrow(/sources\.sea\.auth/);
  expect(() => systemOf({ kind: 'postgres', address: { ...login, database: 'd', unknown: 1 } }, 'sources.sea')).toThrow(/unknown/);
});

const missing = opensslMissing();

describe.skipIf(missing !== undefined)(`over TLS${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let certificates: Certificates;
  beforeAll(() => {
    certificates = makeCertificates();
  });
  afterAll(() => certificates?.remove());

  describe('PostgreSQL', () => {
    let server: PostgresServer;
    const at = (more: Record<string, unknown>) =>
      PostgresAddressSchema.parse({
        host: 'localhost',
        port: server.port,
        database: 'postgres',
        user: 'lifeboat',
        sslrootcert: certificates.authority,
        ...more,
      });
    const whoAmI = (address: ReturnType<typeof at>, services: Parameters<typeof withConnection>[1] = secretsOf(['x'])) =>
      withConnection(
        address,
        services,
        async (connection) => (await connection.query('SELECT current_user AS me, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'))[0],
      );

    beforeAll(async () => {
      const { certificate, key } = certificates;
      server = await startPostgresServer({
        password: 'master',
        settings: { fsync: 'off', ssl: 'on', ssl_cert_file: certificate, ssl_key_file: key },
      });
      await query(server.url, `CREATE ROLE lifeboat LOGIN PASSWORD 'first'`);
    });
    afterAll(() => server?.stop());

    it('takes a token as the password of its user, for this host and port, and no other', async () => {
      vi.useFakeTimers({ toFake: ['Date'], now: NOW });
      await query(server.url, `ALTER ROLE lifeboat PASSWORD '${await tokenFor('localhost', server.port, 'lifeboat')}'`);
      expect(await whoAmI(at({ auth: 'iam' }))).toEqual({ me: 'lifeboat', ssl: true });
      await query(server.url, `ALTER ROLE lifeboat PASSWORD '${await tokenFor('localhost', server.port, 'somebody')}'`);
      await expect(whoAmI(at({ auth: 'iam' }))).rejects.toMatchObject({
        code: 'LoginFailed',
        message: expect.not.stringContaining('X-Amz'),
      });
    });

    it('sends a token to nobody whose certificate is not verified', async () => {
      await expect(whoAmI(at({ auth: 'iam', sslrootcert: 'rds' }))).rejects.toMatchObject({
        code: 'ConnectionRefused',
        hint: expect.stringContaining('sslrootcert'),
      });
      await expect(whoAmI(at({ auth: 'iam', host: '127.0.0.1' }))).rejects.toMatchObject({ code: 'ConnectionRefused' });
    });

    it('says what is missing for a token', async () => {
      for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(name, undefined);
      for (const name of ['AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE']) vi.stubEnv(name, '/nowhere');
      vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
      await expect(whoAmI(at({ auth: 'iam' }))).rejects.toMatchObject({
        code: 'LoginFailed',
        hint: expect.stringContaining('credentials'),
      });
    });

    it('is asked again with the secret of now when it refuses that of before, once', async () => {
      await query(server.url, `ALTER ROLE lifeboat PASSWORD 'second'`);
      const rotated = secretsOf(['first', 'second']);
      const address = at({ password: REFERENCE, sslmode: 'verify-full' });
      expect(await whoAmI(address, rotated)).toEqual({ me: 'lifeboat', ssl: true });
      expect(await whoAmI(address, rotated)).toEqual({ me: 'lifeboat', ssl: true });
      expect(rotated.asked).toHaveLength(2);
      const wrong = secretsOf(['first']);
      await expect(whoAmI(address, wrong)).rejects.toMatchObject({ code: 'LoginFailed' });
      expect(wrong.asked).toHaveLength(2);
    });

    it('is refused in a function, where it is not said otherwise, when it is not verified or has no TLS', async () => {
      vi.stubEnv('AWS_LAMBDA_FUNCTION_NAME', 'prod-catalog-dump-task');
      await expect(whoAmI(at({ inlinePassword: 'second', sslrootcert: undefined }))).rejects.toMatchObject({ code: 'ConnectionRefused' });
      expect(await whoAmI(at({ inlinePassword: 'second' }))).toMatchObject({ ssl: true });
      const plain = await startPostgresServer({ password: 'master', settings: { fsync: 'off' } });
      const refused = whoAmI(at({ port: plain.port, user: 'postgres', inlinePassword: 'master' }));
      await expect(refused).rejects.toMatchObject({
        code: 'ConnectionRefused',
        message: expect.stringMatching(/does not support SSL/),
        hint: expect.stringContaining('has no TLS'),
      });
      expect(await whoAmI(at({ port: plain.port, user: 'postgres', inlinePassword: 'master', sslmode: 'disable' }))).toMatchObject({
        ssl: false,
      });
      await plain.stop();
    });
  });

  const absent = mariadbMissing();
  describe.skipIf(absent !== undefined)(`MariaDB${absent === undefined ? '' : ` (skipped: ${absent})`}`, () => {
    let server: MariadbServer;
    const at = (more: Record<string, unknown>) =>
      MysqlAddressSchema.parse({
        host: 'localhost',
        port: server.port,
        database: 'mysql',
        user: 'lifeboat',
        sslrootcert: certificates.authority,
        ...more,
      });
    const cipher = (address: ReturnType<typeof at>, services: Parameters<typeof withMysql>[1] = secretsOf(['x'])) =>
      withMysql(address, services, async (connection) => (await connection.query(`SHOW STATUS LIKE 'Ssl_cipher'`))[0]?.['Value']);

    beforeAll(async () => {
      const { certificate, key, authority } = certificates;
      server = await startMariadb([`--ssl-cert=${certificate}`, `--ssl-key=${key}`, `--ssl-ca=${authority}`]);
      await sql(server.url, `CREATE USER lifeboat IDENTIFIED BY 'first'; GRANT ALL ON mysql.* TO lifeboat`);
    }, 60_000);
    afterAll(() => server?.stop());

    it('takes a token as the password of its user, verified', async () => {
      vi.useFakeTimers({ toFake: ['Date'], now: NOW });
      await sql(server.url, `ALTER USER lifeboat IDENTIFIED BY '${await tokenFor('localhost', server.port, 'lifeboat')}'`);
      expect(await cipher(at({ auth: 'iam' }))).toMatch(/AES|CHACHA/);
      await expect(cipher(at({ auth: 'iam', sslrootcert: 'rds' }))).rejects.toMatchObject({
        code: 'ConnectionRefused',
        hint: expect.stringContaining('sslrootcert'),
      });
    });

    it('is asked again with the secret of now when it refuses that of before', async () => {
      await sql(server.url, `ALTER USER lifeboat IDENTIFIED BY 'second'`);
      const rotated = secretsOf(['first', 'second']);
      expect(await cipher(at({ password: REFERENCE, sslmode: 'verify-full' }), rotated)).toMatch(/AES|CHACHA/);
      expect(rotated.asked).toHaveLength(2);
    });

    it('is refused in a function when it has no TLS', async () => {
      vi.stubEnv('AWS_LAMBDA_FUNCTION_NAME', 'prod-catalog-dump-task');
      const plain = await startMariadb(['--skip-ssl']);
      const refused = cipher(at({ port: plain.port, user: 'root' }));
      await expect(refused).rejects.toMatchObject({ code: 'ConnectionRefused', hint: expect.stringContaining('has no TLS') });
      await plain.stop();
    }, 60_000);
  });

  describe('MySQL of RDS, which asks for a token in clear text', () => {
    let server: Server;
    let told: string[] = [];
    beforeAll(async () => {
      const context = createSecureContext({ cert: readFileSync(certificates.certificate), key: readFileSync(certificates.key) });
      server = createServer((socket) => askInClear(socket, context, (text) => told.push(text)));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    });
    afterAll(() => new Promise((resolve) => server.close(resolve)));

    it('is given it by who has IAM, and no password by anybody else', async () => {
      vi.useFakeTimers({ toFake: ['Date'], now: NOW });
      const { port } = server.address() as AddressInfo;
      const address = { host: 'localhost', port, database: 'd', user: 'u', sslmode: 'verify-full', sslrootcert: certificates.authority };
      const tried = (more: Record<string, unknown>) =>
        withMysql(MysqlAddressSchema.parse({ ...address, ...more }), secretsOf(['x']), async () => undefined);
      await expect(tried({ auth: 'iam' })).rejects.toMatchObject({ code: 'LoginFailed' });
      expect(told).toEqual([`${await tokenFor('localhost', port, 'u')}\0`]);
      told = [];
      await expect(tried({ inlinePassword: 'secret' })).rejects.toThrow();
      expect(told).toEqual([]);
    });
  });
});

/** As far as a login goes: greets, turns on TLS, asks for the password in clear text, and refuses whatever comes. */
const askInClear = (socket: Socket, secureContext: ReturnType<typeof createSecureContext>, tell: (text: string) => void): void => {
  const packet = (number: number, body: Buffer): Buffer => {
    const head = Buffer.alloc(4);
    head.writeUIntLE(body.length, 0, 3);
    head[3] = number;
    return Buffer.concat([head, body]);
  };
  // Protocol 10, with everything that a server since 5.7 can, TLS and plugins of authentication among it.
  const greeting = [
    Buffer.from('\x0a8.0.36\0\x01\0\0\0abcdefgh\0'),
    Buffer.from([0xff, 0xff, 33, 2, 0, 0xff, 0xdf, 21]),
    Buffer.alloc(10),
    Buffer.from('ijklmnopqrst\0mysql_native_password\0'),
  ];
  socket.on('error', () => {});
  socket.write(packet(0, Buffer.concat(greeting)));
  socket.once('readable', () => {
    // The request for TLS alone: what comes behind it is TLS.
    socket.read(36);
    const secure = new TLSSocket(socket, { isServer: true, secureContext });
    secure.on('error', () => {});
    secure.once('data', () => {
      secure.write(packet(3, Buffer.from('\xfemysql_clear_password\0', 'latin1')));
      secure.once('data', (answer: Buffer) => {
        tell(answer.subarray(4).toString());
        secure.write(packet(5, Buffer.concat([Buffer.from([0xff, 0x15, 0x04]), Buffer.from('#28000Access denied')])));
      });
    });
  });
};
