import { describe, expect, it } from 'vitest';
import { addressFromUrl, endpoint, PostgresAddressSchema, redact } from '../../../src/sources/postgres/address.ts';

const parse = (text: string) => addressFromUrl(new URL(text));

describe('a connection URI', () => {
  it('is read as libpq reads it', () => {
    expect(parse('postgres://me:s%40cret@db.example:6432/my%20db?sslmode=verify-full&sslrootcert=/ca.pem&options=-c%20x%3D1')).toEqual({
      host: 'db.example',
      port: 6432,
      database: 'my db',
      user: 'me',
      inlinePassword: 's@cret',
      auth: 'password',
      sslmode: 'verify-full',
      sslrootcert: '/ca.pem',
      options: '-c x=1',
    });
    expect(parse('postgresql://me@[::1]/d')).toMatchObject({ host: '::1', port: 5432, sslmode: undefined });
    expect(parse('postgres:///d?host=/var/run/postgresql&user=me')).toMatchObject({ host: '/var/run/postgresql', database: 'd' });
  });

  it('is printed without its password, and with what is needed to connect again', () => {
    const address = parse('postgres://me:geheim@[::1]:6000/d');
    expect(redact(address)).toBe('postgres://me@[::1]:6000/d');
    const socket = parse('postgres:///d%2Fe?host=/run/pg&port=5433&user=me');
    expect(redact(socket)).toBe('postgres:///d%2Fe?host=%2Frun%2Fpg&port=5433&user=me');
    expect(parse(redact(socket))).toEqual(socket);
    expect(endpoint(parse('postgres:///d?host=/run/pg'))).toBe('/run/pg/.s.PGSQL.5432');
  });

  it.each([
    ['postgres://h/d?sslmod=require', /unknown parameter "sslmod" in postgres:\/\/h\/d/],
    ['postgres://u:geheim@h/d?sslmode=maybe', /sslmode of postgres:\/\/h\/d is not valid/],
    ['postgres://u:geheim@h/d?port=99999', /port of postgres:\/\/h\/d is not valid/],
  ])('%s is refused without telling the password', (text, message) => {
    expect(() => parse(text)).toThrow(message);
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'Usage' }));
    expect(() => parse(text)).not.toThrow(/geheim/);
  });

  it('has the fields of an environment file, and refuses others', () => {
    const entry = { host: 'h', database: 'd', user: 'u', password: 'env:PASSWORD' };
    expect(PostgresAddressSchema.parse(entry)).toEqual({ ...entry, port: 5432, auth: 'password' });
    expect(() => PostgresAddressSchema.parse({ ...entry, hots: 'x' })).toThrow();
  });
});
