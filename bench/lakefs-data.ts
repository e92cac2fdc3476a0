/** Repositories made of nothing but metadata files and objects, for measuring. */
import { createHash } from 'node:crypto';
import { commitId } from '../src/sources/lakefs/sst/ident.ts';
import {
  encodeCommit,
  encodeEntry,
  encodeRange,
  encodeRef,
  rowValue,
  type Written,
  writeMetaRange,
  writeTable,
} from '../test/support/lakefs-table.ts';

/** Of lakeFS's default: ranges end after some 50 000 rows or 20 MiB; smaller ones make more requests. */
const RANGE_ROWS = 5_000;
const OWN = { entity: 'x', schema_name: 'x' };

export interface Made {
  readonly ids: { readonly branches_meta_range_id: string; readonly commits_meta_range_id: string; readonly tags_meta_range_id: string };
  readonly files: readonly Written[];
  /** Addresses of data objects, each with a few bytes. */
  readonly objects: readonly { readonly key: string; readonly bytes: Buffer }[];
}

/** One commit of `objects` objects, and `commits` - 1 commits without any, on one branch. */
export const makeRepository = ({ objects, commits }: { readonly objects: number; readonly commits: number }): Made => {
  const files: Written[] = [];
  const data = Array.from({ length: objects }, (_, n) => {
    const bytes = Buffer.from(`object ${n}\n`);
    return { key: `data/g${createHash('md5').update('bench').digest('hex').slice(0, 19)}/${n.toString(32).padStart(20, '0')}`, bytes };
  });
  const named = [];
  for (let from = 0; from < objects; from += RANGE_ROWS) {
    const rows = data.slice(from, from + RANGE_ROWS).map(({ key, bytes }, n) => ({
      key: Buffer.from(`tables/t/part-${String(from + n).padStart(9, '0')}.parquet`),
      value: rowValue(
        encodeEntry({ address: key, mtime: 1_795_225_248, size: bytes.length, etag: createHash('md5').update(bytes).digest('hex') }),
      ),
    }));
    const range = writeTable(rows, { ...OWN, type: 'ranges' });
    files.push(range);
    const [first, last] = [rows[0], rows.at(-1)];
    if (first === undefined || last === undefined) continue;
    named.push({
      key: last.key,
      value: rowValue(
        encodeRange({ minKey: first.key, maxKey: last.key, estimatedSize: range.file.length, count: rows.length }),
        Buffer.from(range.id),
      ),
    });
  }
  const metaRange = writeTable(named, { ...OWN, type: 'metaranges' });
  files.push(metaRange);
  let parent = '';
  const made = Array.from({ length: commits }, (_, n) => {
    const fields = {
      committer: 'bench',
      message: `commit ${n}`,
      creationDate: 1_795_225_248 + n,
      metaRangeId: n === 0 ? metaRange.id : '',
      metadata: { n: String(n) },
      parents: parent === '' ? [] : [parent],
    };
    parent = commitId(fields);
    return { key: parent, data: encodeCommit({ ...fields, id: parent, version: 1, generation: n + 1 }) };
  });
  const commitFiles = writeMetaRange(made, OWN);
  const branches = writeMetaRange([{ key: 'main', data: encodeRef({ id: 'main', commitId: parent }) }], OWN);
  const tags = writeMetaRange([], OWN);
  files.push(...commitFiles.files, ...branches.files, ...tags.files);
  return {
    ids: { branches_meta_range_id: branches.id, commits_meta_range_id: commitFiles.id, tags_meta_range_id: tags.id },
    files,
    objects: data,
  };
};
