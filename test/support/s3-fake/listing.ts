import { current } from './buckets.ts';
import type { Call } from './objects.ts';
import { type Answer, S3Error, xml } from './xml.ts';

const PAGE_KEYS = 1000;

/** ListObjectsV2. `repeat` makes the server forget what the client has seen, by one page at most. */
export const listObjects = ({ bucket, query }: Call, pageKeys: number, repeat: boolean): Answer => {
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const token = query.get('continuation-token');
  const after = token === null ? (query.get('start-after') ?? '') : Buffer.from(token, 'base64url').toString('utf8');
  const asked = Number(query.get('max-keys') ?? PAGE_KEYS);
  if (!Number.isInteger(asked) || asked < 0) throw new S3Error(400, 'InvalidArgument');
  const limit = Math.min(asked, pageKeys, PAGE_KEYS);

  const rows: { readonly name: string; readonly group: boolean }[] = [];
  const all = [...bucket.objects.keys()].filter((key) => key.startsWith(prefix) && current(bucket, key) !== undefined);
  for (const key of all.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))) {
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const name = cut < 0 ? key : key.slice(0, cut + delimiter.length);
    if (rows.at(-1)?.name !== name) rows.push({ name, group: cut >= 0 });
  }
  const first = rows.findIndex(({ name }) => name > after);
  const start = first < 0 ? rows.length : repeat ? Math.max(0, first - Math.floor(limit / 2)) : first;
  const page = rows.slice(start, start + limit);
  const truncated = start + limit < rows.length;
  const encoded = query.get('encoding-type') === 'url';
  const encode = (text: string): string => (encoded ? encodeURIComponent(text).replaceAll('%2F', '/') : text);
  return {
    body: xml('ListBucketResult', {
      Name: bucket.name,
      EncodingType: encoded ? 'url' : undefined,
      Prefix: encode(prefix),
      KeyCount: page.length,
      MaxKeys: asked,
      IsTruncated: truncated,
      NextContinuationToken: truncated ? Buffer.from(page.at(-1)?.name ?? '').toString('base64url') : undefined,
      Contents: page.filter(({ group }) => !group).map(({ name }) => contents(name)),
      CommonPrefixes: page.filter(({ group }) => group).map(({ name }) => ({ Prefix: encode(name) })),
    }),
  };

  function contents(name: string): { Key: string; LastModified: string; ETag: string; Size: number; StorageClass: string } {
    const version = current(bucket, name);
    if (version === undefined) throw new Error(`${name} went away`);
    return {
      Key: encode(name),
      LastModified: version.modified.toISOString(),
      ETag: version.etag,
      Size: version.bytes.length,
      StorageClass: 'STANDARD',
    };
  }
};

export const listVersions = ({ bucket, query }: Call): Answer => {
  const prefix = query.get('prefix') ?? '';
  const rows = [...bucket.objects]
    .filter(([key]) => key.startsWith(prefix))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, versions]) => versions.toReversed().map((version, index) => ({ key, version, latest: index === 0 })));
  const row = ({ key, version, latest }: (typeof rows)[number]) => ({
    Key: key,
    VersionId: version.id,
    IsLatest: latest,
    LastModified: version.modified.toISOString(),
    ...(version.deleted ? {} : { ETag: version.etag, Size: version.bytes.length }),
  });
  return {
    body: xml('ListVersionsResult', {
      Name: bucket.name,
      Prefix: prefix,
      IsTruncated: false,
      Version: rows.filter(({ version }) => !version.deleted).map(row),
      DeleteMarker: rows.filter(({ version }) => version.deleted).map(row),
    }),
  };
};
