import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePage } from '../../src/stores/s3-quick-list.ts';

interface Written {
  readonly key: string;
  readonly bytes: number;
}

const escaped = (text: string, how: 'named' | 'numbered'): string =>
  text.replace(/[&<>"']/g, (char) =>
    how === 'numbered'
      ? `&#x${char.charCodeAt(0).toString(16)};`
      : `&${({ '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot', "'": 'apos' } as Record<string, string>)[char]};`,
  );

const answer = (objects: readonly Written[], how: 'named' | 'numbered' = 'named', count = objects.length): string =>
  `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix></Prefix><KeyCount>${count}</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>${objects
    .map(
      ({ key, bytes }) =>
        `<Contents><Key>${escaped(key, how)}</Key><LastModified>2026-11-21T01:30:00.000Z</LastModified><ETag>${escaped('"0cc175b9c0f1b6a831c399e269772661"', how)}</ETag><Size>${bytes}</Size><StorageClass>STANDARD</StorageClass></Contents>`,
    )
    .join('')}</ListBucketResult>`;

describe('a page of a listing', () => {
  it('is read back as it was written, whatever the keys', () => {
    const Key = fc.string({ unit: fc.constantFrom('a', '&', '<', '>', '"', "'", ';', '#', 'é', '😀', ' ', '/', 'x', '3'), minLength: 1 });
    const Objects = fc.array(fc.record({ key: Key, bytes: fc.nat() }), { maxLength: 5 });
    fc.assert(
      fc.property(Objects, fc.constantFrom('named' as const, 'numbered' as const), (objects, how) => {
        const page = parsePage(answer(objects, how));
        expect(page?.truncated).toBe(false);
        expect(page?.contents.map(({ Key: key, Size: bytes }) => ({ key, bytes }))).toEqual(objects);
      }),
    );
  });

  it('has time and etag of each object', () => {
    expect(parsePage(answer([{ key: 'a', bytes: 1 }]))?.contents).toEqual([
      { Key: 'a', Size: 1, LastModified: new Date('2026-11-21T01:30:00Z'), ETag: '"0cc175b9c0f1b6a831c399e269772661"' },
    ]);
  });

  const whole = answer([{ key: 'a&b', bytes: 1 }]);
  const strange: Readonly<Record<string, string>> = {
    'an object more than it says': answer([{ key: 'a', bytes: 1 }], 'named', 0),
    'an object less': answer([], 'named', 1),
    'no size': whole.replace(/<Size>.*<\/Size>/, ''),
    'a size that is none': whole.replace('<Size>1', '<Size>1e3'),
    'a time that is none': whole.replace('2026-11-21T01:30:00.000Z', 'yesterday'),
    'an entity of its own': whole.replace('&amp;', '&own;'),
    'a character beyond Unicode': whole.replace('&amp;', '&#x110000;'),
    'an ampersand alone': whole.replace('&amp;', '&'),
    'another document': '<Error><Code>SlowDown</Code><IsTruncated>false</IsTruncated></Error>',
    'a cut end': whole.slice(0, -60),
    'no word on whether there is more': whole.replace(/<IsTruncated>.*<\/IsTruncated>/, ''),
  };
  for (const [name, xml] of Object.entries(strange)) it(`with ${name} is left to the SDK`, () => expect(parsePage(xml)).toBeUndefined());
});
