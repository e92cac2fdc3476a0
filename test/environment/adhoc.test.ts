import { describe, expect, it } from 'vitest';
import { adhoc, nameOf, override, sourceNameOf } from '../../src/environment/adhoc.ts';
import { storeUrl } from '../../src/environment/store-url.ts';

describe('an environment of URLs', () => {
  it('names its source by kind and last path part, and its targets by their flags', () => {
    const environment = adhoc(
      {
        from: 'postgres://user:hunter2@host/OpenMetadata_db',
        to: 'postgres://user@spare/db',
        scratch: 'postgres://user@scratch',
        store: 'file://./backups',
      },
      '/work',
    );
    expect(environment.store.url).toBe('file:///work/backups');
    expect(Object.keys(environment.sources)).toEqual(['postgres-openmetadata-db']);
    expect(environment.sources['postgres-openmetadata-db']).toMatchObject({
      kind: 'postgres',
      address: { host: 'host', database: 'OpenMetadata_db' },
    });
    expect(environment.targets).toMatchObject({ to: { address: { host: 'spare' } }, scratch: { address: { host: 'scratch' } } });
  });

  it('adds to another environment without changing it', () => {
    const base = adhoc({ store: 's3://bucket/x' }, '/work');
    expect(Object.keys(override(base, { from: 'postgres://h/db', sourceName: 'mine' }).sources)).toEqual(['mine']);
    expect(base.sources).toEqual({});
  });

  it.each([
    ['postgres://host/', 'postgres'],
    ['postgres://user:p%2Fw@host:5432/db?sslmode=require', 'postgres-db'],
    ['juicefs+sqlite3:///var/lib/My%20Volume.db', 'postgres-my-20volume-db'],
    [`postgres://host/${'a'.repeat(80)}`, `postgres-${'a'.repeat(31)}`],
  ])('%s is called %s', (url, name) => {
    expect(nameOf(url, { kind: 'postgres' })).toBe(name);
  });

  it('refuses what is no URL, no store, no name', () => {
    expect(() => adhoc({ from: 'oracle://user:hunter2@host/db', store: 's3://bucket' }, '/')).toThrow(
      expect.objectContaining({ code: 'Usage', message: 'not the URL of a system that can be backed up: oracle://user:***@host/db' }),
    );
    expect(() => sourceNameOf('postgres://h/db', 'My Source')).toThrow(expect.objectContaining({ code: 'Usage' }));
    expect(() => storeUrl('/var/backups', '/')).toThrow(expect.objectContaining({ code: 'Usage', hint: 'Write file:///var/backups.' }));
    expect(() => storeUrl('https://host/x', '/')).toThrow(expect.objectContaining({ code: 'Usage' }));
  });

  it.each([
    ['s3://bucket/prefix/', 's3://bucket/prefix'],
    ['file:///var/backups/', 'file:///var/backups'],
    ['file://./a b', 'file:///work/a%20b'],
    ['file://../up', 'file:///up'],
  ])('the store %s is %s', (url, absolute) => {
    expect(storeUrl(url, '/work')).toBe(absolute);
  });
});
