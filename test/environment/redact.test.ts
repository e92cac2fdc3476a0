import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { literalSecrets, redactAll, redactUrls, secretsInUrl } from '../../src/environment/redact.ts';

describe('redactUrls', () => {
  it.each([
    ['postgres://user:hunter2@host/db', 'postgres://user:***@host/db'],
    ['no route to postgres://user:hunter2@host:5432/db?x=1, giving up', 'no route to postgres://user:***@host:5432/db?x=1, giving up'],
    ['redis://:hunter2@host/1', 'redis://:***@host/1'],
    ['juicefs+redis://u:p@ss@host/1', 'juicefs+redis://u:***@host/1'],
    ['postgres://user:hun/ter#2@host/db', 'postgres://user:***@host/db'],
    ['postgres://host/db?password=hunter2&sslmode=require', 'postgres://host/db?password=***&sslmode=require'],
    ['meilisearch+https://host?api_key=hunter2', 'meilisearch+https://host?api_key=***'],
    ['postgres://user@host/db', 'postgres://user@host/db'],
    ['postgres://user:env%3APGPASSWORD@host/db', 'postgres://user:env%3APGPASSWORD@host/db'],
    ['http://127.0.0.1:9000/a@b and s3://bucket/prefix', 'http://127.0.0.1:9000/a@b and s3://bucket/prefix'],
  ])('%s', (text, expected) => {
    expect(redactUrls(text)).toBe(expected);
  });

  it('lets no password of a URL through, whatever it holds', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Z0-9!$&*()_+=;%^~|{}-]{6,20}$/), (password) => {
        expect(redactUrls(`cannot reach postgres://user:${password}@host/db`)).not.toContain(password);
        expect(secretsInUrl(`postgres://user:${password}@host/db`)).toContain(password);
      }),
    );
  });
});

describe('redactAll', () => {
  it('hides secrets as they are and percent-encoded, the longest first', () => {
    expect(redactAll('a server said: p@ss/word, p%40ss%2Fword, p@ss', ['p@ss', 'p@ss/word'])).toBe('a server said: ***, ***, ***');
  });
  it('leaves very short ones in a text alone, but not in a URL', () => {
    expect(redactAll('a pg error of postgres://u:pg@h/d', ['pg'])).toBe('a pg error of postgres://u:***@h/d');
  });
});

describe('literalSecrets', () => {
  it('finds them by field and in URLs, and takes no reference for one', () => {
    const value = {
      sources: {
        a: { password: 'one', host: 'h' },
        b: { inlinePassword: 'two', meta: 'redis://:three@h/1' },
        c: { password: 'env:PGPASSWORD' },
      },
      list: [{ apiKey: 'four' }],
    };
    expect(literalSecrets(value).sort()).toEqual(['four', 'one', 'three', 'two']);
  });
});
