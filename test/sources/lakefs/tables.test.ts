import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../../src/sources/lakefs/sst/crc32c.ts';
import { checkTable, commitId, openTableId } from '../../../src/sources/lakefs/sst/ident.ts';
import { decodeCommit, decodeEntry, decodeRange, decodeRef } from '../../../src/sources/lakefs/sst/records.ts';
import { unsnappy } from '../../../src/sources/lakefs/sst/snappy.ts';
import { openTable, splitValue } from '../../../src/sources/lakefs/sst/table.ts';
import { encodeCommit, encodeEntry, encodeRange, encodeRef, type Row, rowValue, uvarint, writeTable } from '../../support/lakefs-table.ts';

const FIXTURES = join(import.meta.dirname, '../../fixtures/lakefs');
const fileOf = (id: string): Buffer => readFileSync(join(FIXTURES, 'sst', id));
const files = readdirSync(join(FIXTURES, 'sst'));

describe('metadata files of lakeFS 1.84', () => {
  it.each(files)('%s has the id that its name says, and every checksum', (id) => {
    checkTable(openTable(fileOf(id)), id);
  });

  it.each(files)('%s with any one byte changed is refused', (id) => {
    const whole = fileOf(id);
    for (let at = 7; at < whole.length - 53; at += Math.ceil(whole.length / 40)) {
      const damaged = Buffer.from(whole);
      damaged.writeUInt8((damaged.readUInt8(at) + 1) % 256, at);
      expect(() => checkTable(openTable(damaged), id), `byte ${at}`).toThrow(expect.objectContaining({ code: 'ArtifactInvalid' }));
    }
  });

  it('is refused when it was cut', () => {
    const [id = ''] = files;
    const whole = fileOf(id);
    for (const bytes of [0, 10, 52, 53, 100, whole.length - 1])
      expect(() => checkTable(openTable(whole.subarray(0, bytes)), id)).toThrow(expect.objectContaining({ code: 'ArtifactInvalid' }));
  });

  it('holds the refs that were decoded when they were recorded', () => {
    const manifest = JSON.parse(readFileSync(join(FIXTURES, 'lakectl_refs_dump.json'), 'utf8'));
    const decoded = JSON.parse(readFileSync(join(FIXTURES, 'refs_decoded.json'), 'utf8'));
    const branches = rangesOf(manifest.branches_meta_range_id).flatMap((range) => recordsOf(range).map(decodeRef));
    expect(branches.map(({ id, commitId: commit_id }) => ({ id, commit_id }))).toEqual(rowsOf(decoded.branches_meta_range_id));
    const tags = rangesOf(manifest.tags_meta_range_id).flatMap((range) => recordsOf(range).map(decodeRef));
    expect(tags.map(({ id, commitId: commit_id }) => ({ id, commit_id }))).toEqual(rowsOf(decoded.tags_meta_range_id));
    const commits = rangesOf(manifest.commits_meta_range_id).flatMap((range) => recordsOf(range).map(decodeCommit));
    expect(commits).toHaveLength(25);
    expect(commits.map(({ id }) => id)).toEqual(rowsOf(decoded.commits_meta_range_id).map((row) => row['id']));
    for (const commit of commits) expect(commitId(commit)).toBe(commit.id);
  });
});

const rowsOf = (decoded: {
  readonly ranges: readonly { readonly rows: readonly Record<string, unknown>[] }[];
}): Record<string, unknown>[] => decoded.ranges.flatMap(({ rows }) => rows);

const recordsOf = (id: string): Buffer[] => {
  const records: Buffer[] = [];
  checkTable(openTable(fileOf(id)), id, (_key, value) => records.push(Buffer.from(splitValue(value).data)));
  return records;
};

const rangesOf = (id: string): string[] => {
  const ids: string[] = [];
  openTable(fileOf(id)).forEach((_key, value) => {
    ids.push(splitValue(value).identity.toString('latin1'));
  });
  return ids;
};

const Rows = fc
  .uniqueArray(fc.record({ key: fc.uint8Array({ minLength: 1, maxLength: 300 }), value: fc.uint8Array({ maxLength: 3000 }) }), {
    maxLength: 60,
    selector: ({ key }) => Buffer.from(key).toString('hex'),
  })
  .map((rows): Row[] =>
    rows.map(({ key, value }) => ({ key: Buffer.from(key), value: Buffer.from(value) })).sort((a, b) => Buffer.compare(a.key, b.key)),
  );

describe('any table', () => {
  it('reads as it was written, in one level or two, packed or not', () => {
    fc.assert(
      fc.property(Rows, fc.boolean(), fc.boolean(), (rows, twoLevels, snappy) => {
        const { id, file } = writeTable(rows, { type: 'ranges' }, { twoLevels, snappy });
        const seen: Row[] = [];
        checkTable(openTable(file), id, (key, value) => seen.push({ key: Buffer.from(key), value: Buffer.from(value) }));
        expect(seen).toEqual(rows);
      }),
      { numRuns: 60 },
    );
  });

  it('never makes the reader do anything but answer or refuse, whatever its bytes', () => {
    const { file } = writeTable([{ key: Buffer.from('a'), value: Buffer.alloc(500, 1) }], { type: 'ranges' });
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(file.length - 1), fc.nat(255)), { maxLength: 12 }), (changes) => {
        const damaged = Buffer.from(file);
        for (const [at, byte] of changes) damaged.writeUInt8(byte, at);
        try {
          openTable(damaged).forEach(() => {});
        } catch (error) {
          expect(error).toMatchObject({ code: 'ArtifactInvalid' });
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('records', () => {
  const Text = fc.string({ maxLength: 40 });
  const Metadata = fc.dictionary(Text, Text, { maxKeys: 4 });

  it('with a number where bytes belong, or bytes where a number belongs, are none', () => {
    // Field 1 of both, as a number and as bytes.
    expect(() => decodeRef(Buffer.from([0x08, 0x01]))).toThrow(/wire type 0 in place of bytes/);
    expect(() => decodeRange(Buffer.from([0x18, 0x01, 0x22, 0x01, 0x61]))).toThrow(/wire type 2 in place of a number/);
  });

  it('come back as they were written', () => {
    fc.assert(
      fc.property(
        Text,
        Text,
        Metadata,
        fc.array(
          Text.filter((id) => id !== ''),
          { maxLength: 3 },
        ),
        fc.nat(2 ** 40),
        (id, message, metadata, parents, date) => {
          const commit = {
            id,
            committer: 'me',
            message,
            creationDate: date,
            nanos: 7,
            metaRangeId: 'm',
            metadata,
            parents,
            version: 1,
            generation: 12,
          };
          expect(decodeCommit(encodeCommit(commit))).toEqual(commit);
          expect(decodeRef(encodeRef({ id, commitId: message }))).toEqual({ id, commitId: message });
          const entry = { address: id, mtime: date, size: date, etag: message, metadata, contentType: 'text/plain' };
          expect(decodeEntry(encodeEntry(entry))).toEqual({ ...entry, addressType: id.includes('://') ? expect.anything() : 'relative' });
          const range = { minKey: Buffer.from(id), maxKey: Buffer.from(message), estimatedSize: date, count: 3 };
          expect(decodeRange(encodeRange(range))).toEqual(range);
        },
      ),
    );
  });

  it('tell what was imported, also where an old server did not', () => {
    expect(decodeEntry(encodeEntry({ address: 's3://other/a', mtime: 1, size: 1, etag: '', full: true })).addressType).toBe('full');
    expect(decodeEntry(Buffer.concat([Buffer.of(10, 12), Buffer.from('s3://other/a')])).addressType).toBe('full');
  });

  it('are refused when they are cut', () => {
    const whole = encodeEntry({ address: 'data/a', mtime: 1, size: 300, etag: 'x' });
    expect(() => decodeEntry(whole.subarray(0, 4))).toThrow(expect.objectContaining({ code: 'ArtifactInvalid' }));
    expect(() => splitValue(Buffer.from('ff', 'hex'))).toThrow(expect.objectContaining({ code: 'ArtifactInvalid' }));
  });
});

describe('snappy and crc32c', () => {
  it('has the checksum of the standard', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
  });

  it('copies over itself, in all three forms', () => {
    const packed = Buffer.from([16, 0x04, 97, 98, (6 << 2) | 1, 2, (1 << 2) | 2, 1, 0, (1 << 2) | 3, 14, 0, 0, 0]);
    expect(unsnappy(packed).toString()).toBe('ababababababbbab');
    expect(() => unsnappy(Buffer.from([4, 0x01, 1]))).toThrow(expect.objectContaining({ code: 'ArtifactInvalid' }));
    expect(() => unsnappy(uvarint(2 ** 33))).toThrow(expect.objectContaining({ code: 'ArtifactInvalid' }));
  });

  it('hashes large rows as small ones', () => {
    const id = openTableId();
    const big = Buffer.alloc(200_000, 120);
    id.add(Buffer.from('k'), rowValue(big));
    const { id: written } = writeTable([{ key: Buffer.from('k'), value: rowValue(big) }], {});
    expect(id.end(new Map())).toBe(written);
  });
});
