import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { constants, crc32, deflateRawSync, gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadDigest } from '../../../src/backup/digest.ts';
import { checkDump } from '../../../src/sources/meilisearch/dump/check.ts';
import { DOCUMENT_COLUMNS, documentEnd, documentRows } from '../../../src/sources/meilisearch/dump/document-row.ts';
import { EMPTY_SUM, GZIP_HEADER, gzipTrailer, joinSums, sumOf } from '../../../src/sources/meilisearch/dump/gzip-frame.ts';
import { readGzip } from '../../../src/sources/meilisearch/dump/gzip-read.ts';
import { idSet } from '../../../src/sources/meilisearch/dump/id-set.ts';
import { documentSlice, readDocument } from '../../../src/sources/meilisearch/dump/json-slices.ts';
import { readLines, readWhole } from '../../../src/sources/meilisearch/dump/lines.ts';
import { readPage } from '../../../src/sources/meilisearch/dump/page.ts';
import { readTar } from '../../../src/sources/meilisearch/dump/tar-read.ts';
import { fileHeader, padding, TAR_END, wholeFile } from '../../../src/sources/meilisearch/dump/tar-write.ts';
import { dumpOf, type Files, filesOf, tarHeader, tarOf } from '../../support/meilisearch-dumps.ts';
import { chunked } from './chunked.ts';

const whole = async (source: AsyncIterable<Uint8Array>): Promise<Buffer> => Buffer.concat(await Array.fromAsync(source));
const entries = async (tar: Buffer, size = 100): Promise<Record<string, string>> => {
  const found: Record<string, string> = {};
  for await (const { path, body } of readTar(chunked(tar, size))) found[path] = (await readWhole(body, path, 1e9)).toString();
  return found;
};
const invalid = { code: 'ArtifactInvalid' };

describe('the frame of gzip', () => {
  it('joins checksums as if the bytes were one', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }), (parts) => {
        const all = Buffer.concat(parts);
        expect(parts.map(sumOf).reduce(joinSums, EMPTY_SUM)).toEqual({ crc32: crc32(all), bytes: all.length });
      }),
    );
  });

  it('is one member around flushed pieces', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ minLength: 1, maxLength: 3000 }), { maxLength: 6 }), async (parts) => {
        const pieces = parts.map((part) => deflateRawSync(part, { finishFlush: constants.Z_FULL_FLUSH, level: 3 }));
        const file = Buffer.concat([GZIP_HEADER, ...pieces, gzipTrailer(parts.map(sumOf).reduce(joinSums, EMPTY_SUM))]);
        expect(gunzipSync(file)).toEqual(Buffer.concat(parts));
        expect(await whole(readGzip(chunked(file, 7)))).toEqual(Buffer.concat(parts));
      }),
      { numRuns: 30 },
    );
  });

  it.each([
    ['cut in the trailer', (file: Buffer) => file.subarray(0, -3)],
    ['cut in the middle', (file: Buffer) => file.subarray(0, 40)],
    ['empty', () => Buffer.alloc(0)],
    ['of another format', () => Buffer.from('PK\x03\x04 something else')],
    ['with another checksum', (file: Buffer) => Buffer.concat([file.subarray(0, -8), Buffer.alloc(4), file.subarray(-4)])],
    ['with another length', (file: Buffer) => Buffer.concat([file.subarray(0, -4), Buffer.alloc(4)])],
    ['of two members', (file: Buffer) => Buffer.concat([file, file])],
  ])('refuses a file that is %s', async (_what, change) => {
    const file = gzipSync(Buffer.from('x'.repeat(5000) + Math.random()));
    await expect(whole(readGzip(chunked(change(file), 11)))).rejects.toMatchObject(invalid);
  });

  it('reads a header with a name in it', async () => {
    const file = gzipSync('hello');
    const named = Buffer.concat([file.subarray(0, 3), Buffer.from([8]), file.subarray(4, 10), Buffer.from('a.dump\0'), file.subarray(10)]);
    expect((await whole(readGzip(chunked(named, 3)))).toString()).toBe('hello');
  });

  it('refuses a decompression bomb before it has unpacked it', { timeout: 60_000 }, async () => {
    const bomb = gzipSync(Buffer.alloc(320 * 1024 * 1024), { level: 9 });
    let unpacked = 0;
    const read = async () => {
      for await (const chunk of readGzip(chunked(bomb, 65536))) unpacked += chunk.length;
    };
    await expect(read()).rejects.toMatchObject({ ...invalid, message: expect.stringContaining('unpacks') });
    expect(unpacked).toBeLessThan(300 * 1024 * 1024);
  });
});

describe('the archive', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lifeboat-tar-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is read by tar, and reads what tar wrote', async () => {
    const long = `indexes/${'u'.repeat(88)}/documents.jsonl`;
    const files = { 'metadata.json': '{}', 'a/b.jsonl': 'x'.repeat(1000), [long]: 'y', empty: '' };
    const ours = Buffer.concat([...Object.entries(files).map(([path, text]) => wholeFile(path, Buffer.from(text), 1)), TAR_END]);
    expect(await entries(ours)).toEqual(files);
    writeFileSync(join(folder, 'a.tar'), ours);
    expect(
      execFileSync('tar', ['-tf', join(folder, 'a.tar')], { encoding: 'utf8' })
        .trim()
        .split('\n')
        .sort(),
    ).toEqual(Object.keys(files).sort());
    execFileSync('tar', ['-xf', join(folder, 'a.tar'), '-C', folder]);
    expect(readFileSync(join(folder, 'a/b.jsonl'), 'utf8')).toBe(files['a/b.jsonl']);
    for (const format of ['ustar', 'pax', 'gnu']) {
      execFileSync('tar', ['-cf', join(folder, 'b.tar'), '--exclude=*.tar', `--format=${format}`, '-C', folder, '.']);
      expect(await entries(readFileSync(join(folder, 'b.tar')))).toMatchObject({ 'a/b.jsonl': files['a/b.jsonl'], [long]: 'y' });
    }
  });

  it('holds files of more than eight GiB', () => {
    const size = 9 * 1024 ** 3 + 5;
    const header = Buffer.from(fileHeader('big', size, 0));
    expect(header.readBigUInt64BE(128)).toBe(BigInt(size));
    expect((512 - (size % 512)) % 512).toBe(padding(size).length);
  });

  it('skips what nobody reads', async () => {
    const tar = tarOf({ a: 'x'.repeat(5000), b: 'y' });
    const paths: string[] = [];
    for await (const { path } of readTar(chunked(tar, 64))) paths.push(path);
    expect(paths).toEqual(['a', 'b']);
  });

  const body = Buffer.alloc(512);
  it.each([
    ['a path out of it', Buffer.concat([tarHeader('../../etc/passwd', 3), body])],
    ['a path out of it, hidden', Buffer.concat([tarHeader('indexes/../../x', 3), body])],
    ['an absolute path', Buffer.concat([tarHeader('/etc/passwd', 3), body])],
    ['a backslash', Buffer.concat([tarHeader('..\\x', 3), body])],
    ['a symbolic link', tarHeader('indexes/a', 0, '2', '/etc')],
    ['a hard link', tarHeader('indexes/a', 0, '1', '../x')],
    ['a device', tarHeader('indexes/a', 0, '3')],
    ['a folder out of it', tarHeader('../x', 0, '5')],
    [
      'deep folders',
      Buffer.concat([
        tarHeader(`${'a/'.repeat(45)}x`, 3),
        body,
        tarHeader('L', 300, 'L'),
        Buffer.alloc(512, 'b/'),
        tarHeader('x', 3),
        body,
      ]),
    ],
    ['a damaged header', Buffer.concat([tarHeader('a', 3).fill('9', 124, 130), body])],
    ['a cut file', tarHeader('a', 5000)],
  ])('refuses %s', async (_what, tar) => {
    await expect(entries(tar)).rejects.toMatchObject(invalid);
  });

  it('refuses a size that no file has, and an endless name', async () => {
    const huge = tarHeader('a', 0);
    huge[124] = 0xff;
    huge.write('        ', 148);
    const sum = huge.reduce((total, byte) => total + byte, 0);
    huge.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    await expect(entries(huge)).rejects.toMatchObject({ ...invalid, message: expect.stringContaining('size') });
    await expect(entries(tarHeader('L', 2 ** 30, 'L'))).rejects.toMatchObject(invalid);
  });

  it('survives any damage to a byte without another error', async () => {
    const tar = tarOf({ a: 'hello', 'b/c': 'world'.repeat(200) });
    await fc.assert(
      fc.asyncProperty(fc.nat(tar.length - 1), fc.nat(255), async (at, value) => {
        const damaged = Buffer.from(tar);
        damaged[at] = value;
        await entries(damaged).catch((error: unknown) => expect(error).toMatchObject(invalid));
      }),
    );
  });
});

/** JSON as a server prints it, with numbers that JavaScript cannot hold. */
const number = fc.constantFrom('0', '-0.0', '1.0', '9007199254740993', '18446744073709551615', '5e-324', '100000.0', '-1.5e300');
const jsonText: fc.Memo<string> = fc.memo((depth) =>
  depth <= 1
    ? fc.oneof(
        number,
        fc.string({ unit: 'binary', maxLength: 80 }).map((text) => JSON.stringify(text.toWellFormed())),
        fc.constantFrom('true', 'null', '{}', '[]', '""', '"\\\\"', '"\\\\\\""'),
      )
    : fc.oneof(
        jsonText(1),
        fc.array(jsonText(depth - 1), { maxLength: 4 }).map((items) => `[${items.join(',')}]`),
        fc
          .array(fc.tuple(fc.string({ maxLength: 5 }), jsonText(depth - 1)), { maxLength: 4 })
          .map((members) => `{${members.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`),
      ),
);
const documentText = fc
  .tuple(
    fc.nat(),
    fc.uniqueArray(fc.tuple(fc.string({ minLength: 1, maxLength: 8 }), jsonText(3)), { selector: ([name]) => name, maxLength: 6 }),
  )
  .map(([id, members]) => [
    `"id":${id}`,
    ...members.filter(([name]) => name !== 'id' && name !== '_vectors').map(([name, value]) => `${JSON.stringify(name)}:${value}`),
  ])
  .map((members) => `{${members.join(',')}}`);

describe('documents', () => {
  it('are cut out of a page byte by byte', () => {
    fc.assert(
      fc.property(fc.array(documentText, { maxLength: 8 }), (documents) => {
        const bytes = Buffer.from(`{"results":[${documents.join(',')}],"offset":0,"limit":20,"total":${documents.length}}`);
        const found: string[] = [];
        expect(readPage(bytes, ({ start, end }) => found.push(bytes.toString('utf8', start, end)))).toEqual({
          documents: documents.length,
          total: documents.length,
        });
        expect(found).toEqual(documents);
      }),
    );
  });

  it('lose the vectors that asking for them added, and nothing else', () => {
    const end = (text: string) => {
      const bytes = Buffer.from(text);
      const slice = documentSlice();
      readDocument(bytes, 0, slice);
      return `${bytes.toString('utf8', 0, documentEnd(bytes, slice))}}`;
    };
    expect(end('{"id":1,"_vectors":{}}')).toBe('{"id":1}');
    expect(end('{"id":1,"_vectors":{"a":1}}')).toBe('{"id":1,"_vectors":{"a":1}}');
    expect(end('{"id":1,"x":",\\"_vectors\\":{}"}')).toBe('{"id":1,"x":",\\"_vectors\\":{}"}');
  });

  it('have a row that does not depend on the order of members, and on nothing less', async () => {
    const factory = await loadDigest();
    const digestOf = (text: string) => {
      const digest = factory.open('a', DOCUMENT_COLUMNS);
      const slice = documentSlice();
      const bytes = Buffer.from(text);
      readDocument(bytes, 0, slice);
      documentRows(digest, 'id').add(bytes, slice);
      return digest.end();
    };
    fc.assert(
      fc.property(documentText, fc.infiniteStream(fc.nat()), (text, random) => {
        const bytes = Buffer.from(text);
        const slice = documentSlice();
        readDocument(bytes, 0, slice);
        const members = Array.from({ length: slice.members }, (_, n) =>
          bytes.toString('utf8', (slice.places[4 * n] ?? 0) - 1, slice.places[4 * n + 3]),
        );
        const shuffled = members
          .map((member) => ({ member, at: random.next().value }))
          .sort((a, b) => a.at - b.at)
          .map(({ member }) => member);
        expect(digestOf(`{ ${shuffled.join(' ,\t')} }`)).toEqual(digestOf(text));
        expect(digestOf(`{${[...members, '"zz":1'].join(',')}}`)).not.toEqual(digestOf(text));
      }),
    );
    expect(digestOf('{"id":1,"a":1.0}')).not.toEqual(digestOf('{"id":1,"a":1}'));
    expect(digestOf('{"id":1,"a":"x"}').buckets.length).toBeGreaterThan(0);
  });

  it.each(['[', '{', '{"a"}', '{"a":}', '{"a":1', '{"a":"x}', '{"a":[1}', '{a:1}', '{"a":1,}', '{"a":1 "b":2}', ''])(
    'refuses %s',
    (text) => {
      expect(() => readDocument(Buffer.from(text), 0, documentSlice())).toThrow(expect.objectContaining(invalid));
    },
  );

  it('come in lines whatever the chunks, with or without a last newline', async () => {
    const text = 'a\n\n  \r\nbb\r\nccc';
    for (const size of [1, 2, 3, 100]) {
      const found: string[] = [];
      for await (const line of readLines(chunked(Buffer.from(text), size), 'x')) found.push(line.toString());
      expect(found).toEqual(['a', 'bb\r', 'ccc']);
    }
    await expect(Array.fromAsync(readLines(chunked(Buffer.alloc(500, 'x'), 10), 'x', 100))).rejects.toMatchObject(invalid);
  });

  it('with ids that come twice are found', () => {
    const ids = idSet();
    for (let n = 0; n < 20_000; n++) ids.add(`id-${n}`);
    expect(ids.duplicates()).toBe(0);
    ids.add('id-77');
    expect(ids.duplicates()).toBe(1);
  });
});

describe('the check of a dump', () => {
  const check = (change: (files: Record<string, string | Buffer | undefined>) => void) => {
    const files: Record<string, string | Buffer | undefined> = { ...filesOf(6) };
    change(files);
    const kept = Object.entries(files).filter((entry): entry is [string, string | Buffer] => entry[1] !== undefined);
    return checkDump(() => chunked(gzipSync(tarOf(Object.fromEntries(kept) as Files)), 501));
  };

  it('reads what is in it, in any order', async () => {
    const checked = await checkDump(() => chunked(dumpOf(6)));
    expect(checked).toMatchObject({ tasks: 0, contents: { dbVersion: '1.50.0', indexes: [{ uid: 'films', primaryKey: 'id' }] } });
    expect(checked.documents.get('films')).toBe(2);
    const reversed = tarOf(
      Object.fromEntries(
        Object.entries(filesOf(6))
          .reverse()
          .map(([name, text]) => [`./${name}`, text]),
      ),
    );
    expect((await checkDump(() => chunked(gzipSync(reversed)))).digests).toEqual(checked.digests);
  });

  it('is equal after any documents went in', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(documentText, { maxLength: 10 }), async (documents) => {
        const unique = documents.map((text, n) => text.replace(/^\{"id":\d+/, `{"id":${n}`));
        const checked = await check((files) => {
          files['indexes/films/documents.jsonl'] = unique.map((text) => `${text}\n`).join('');
        });
        const digest = (await loadDigest()).open('documents/films', DOCUMENT_COLUMNS);
        const rows = documentRows(digest, 'id');
        const slice = documentSlice();
        for (const text of unique) {
          const bytes = Buffer.from(text);
          readDocument(bytes, 0, slice);
          rows.add(bytes, slice);
        }
        expect(checked.digests).toEqual([digest.end()]);
      }),
      { numRuns: 40 },
    );
  });

  const documents = 'indexes/films/documents.jsonl';
  const enqueued = {
    uid: 3,
    indexUid: 'films',
    status: 'enqueued',
    type: { documentImport: { primary_key: null, method: 'ReplaceDocuments', documents_count: 1, allow_index_creation: true } },
    enqueuedAt: 'x',
  };
  it.each<[string, (files: Record<string, string | Buffer | undefined>) => void, string]>([
    ['no keys.jsonl', (files) => delete files['keys.jsonl'], 'keys.jsonl is missing'],
    ['no queue', (files) => delete files['tasks/queue.jsonl'], 'tasks/queue.jsonl is missing'],
    ['no metadata', (files) => delete files['metadata.json'], 'metadata.json is missing'],
    ['no documents', (files) => delete files[documents], 'documents.jsonl is missing'],
    ['no settings', (files) => delete files['indexes/films/settings.json'], 'settings.json is missing'],
    ['a line that is cut', (files) => (files[documents] = '{"id":1}\n{"id":2,"t":"x'), 'line 2'],
    ['a line that is no object', (files) => (files[documents] = '[1]\n'), 'line 1'],
    ['a number that is none', (files) => (files[documents] = '{"id":1,"a":01}\n'), 'line 1'],
    ['bytes that are no text', (files) => (files[documents] = Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])), 'UTF-8'],
    ['a document without its key', (files) => (files[documents] = '{"no":1}\n'), 'primary key'],
    ['an id that no server takes', (files) => (files[documents] = '{"id":"bad id!"}\n'), 'bad id!'],
    ['an id twice', (files) => (files[documents] = '{"id":1}\n{"id":"1"}\n'), 'twice'],
    ['vectors that are no object', (files) => (files[documents] = '{"id":1,"_vectors":"toto"}\n'), '_vectors'],
    [
      'a key without expires_at',
      (files) =>
        (files['keys.jsonl'] =
          '{"uid":"192e54ae-32f8-4c61-85f5-eb2b1b255629","actions":[],"indexes":[],"created_at":"","updated_at":""}\n'),
      'expires_at',
    ],
    [
      'an index that no route reaches',
      (files) => (files['indexes/films/metadata.json'] = '{"uid":"bad uid!","createdAt":"","updatedAt":""}'),
      'bad uid!',
    ],
    [
      'a waiting task without its documents',
      (files) => (files['tasks/queue.jsonl'] = `${JSON.stringify({ ...enqueued, details: {} })}\n`),
      'update_files/3.jsonl',
    ],
    ['a waiting task without details', (files) => (files['tasks/queue.jsonl'] = `${JSON.stringify(enqueued)}\n`), 'details'],
    ['another version', (files) => (files['metadata.json'] = '{"dumpVersion":"V7","dbVersion":"9","dumpDate":""}'), 'V7'],
  ])('names %s', async (_what, change, message) => {
    await expect(check(change)).rejects.toMatchObject({ ...invalid, message: expect.stringContaining(message) });
  });

  it('warns of what works and may surprise', async () => {
    const { warnings } = await check((files) => {
      files['keys.jsonl'] = '';
      files['indexes/Films/metadata.json'] = '{"uid":"Films","primaryKey":null,"createdAt":"","updatedAt":""}';
      files['indexes/Films/settings.json'] = '{}';
      files['indexes/Films/documents.jsonl'] = '{"a":1}\n';
    });
    expect(warnings).toEqual(
      [expect.stringContaining('case'), expect.stringContaining('no primary key'), expect.stringContaining('no API keys')].map(
        (each) => each,
      ),
    );
  });

  it('looks at the checksum behind the end of the archive, which Meilisearch does not', async () => {
    const dump = dumpOf(6);
    const zeroed = Buffer.concat([dump.subarray(0, -8), Buffer.alloc(8)]);
    for (const damaged of [zeroed, dump.subarray(0, -1), Buffer.concat([dump, dump])])
      await expect(checkDump(() => chunked(damaged))).rejects.toMatchObject(invalid);
  });

  it('fails at every place where the file could be cut', async () => {
    const dump = dumpOf(6);
    for (let at = 0; at < dump.length; at += 37)
      await expect(checkDump(() => chunked(dump.subarray(0, at)))).rejects.toMatchObject(invalid);
  });
});
