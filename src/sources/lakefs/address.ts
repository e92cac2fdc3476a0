import { z } from 'zod';
import { LifeboatError } from '../../errors.ts';

/** lakeFS's own rule for the name of a repository. */
export const REPOSITORY = /^[a-z0-9][a-z0-9-]{2,62}$/;

/** A folder with a trailing slash less, or a prefix of a bucket. */
const NAMESPACE = /^(s3|local):\/\/[^\s?#]+$/;

/**
 * A repository of a lakeFS server. `endpoint` and keys that are absent come from LAKECTL_* and then from ~/.lakectl.yaml, as
 * lakectl finds them.
 */
export const LakefsAddressSchema = z.strictObject({
  endpoint: z.url({ protocol: /^https?$/ }).optional(),
  repository: z.string().regex(REPOSITORY, 'expected the name of a repository: a-z, 0-9 and -, 3 to 63 characters'),
  accessKeyId: z.string().min(1).optional(),
  /** A reference: `env:NAME`, `file:/path`, `secretsmanager:<arn>`. */
  secretAccessKey: z.string().min(1).optional(),
  /** A reference to JSON `{"access_key_id": …, "secret_access_key": …}`: one secret on AWS in place of the two fields above. */
  credentials: z.string().min(1).optional(),
  /** Of a URL, in memory alone. */
  inlineSecretAccessKey: z.string().min(1).optional(),
  /** Target: where the restored repository keeps its data. Absent: where the backup's did. A drill makes a folder below it. */
  namespace: z.string().regex(NAMESPACE, 'expected s3://bucket/prefix or local://path').optional(),
  /** Of a manifest that does not say it, as those of lakectl: which branch the restored repository begins with. */
  defaultBranch: z.string().min(1).optional(),
  /** Id of the storage, on servers that have several. */
  storageId: z.string().optional(),
  /** How the buckets of the server are met; on AWS nothing is needed. */
  storage: z
    .strictObject({ region: z.string().optional(), endpoint: z.url().optional(), forcePathStyle: z.boolean().optional() })
    .optional(),
  /** Of a server with local storage: its `blockstore.local.path`. */
  localPath: z.string().startsWith('/').optional(),
  /** `blockstore_prefix` of the server's metadata. */
  metadataPrefix: z.string().min(1).default('_lakefs'),
  /** What happens to changes that nobody committed. */
  uncommitted: z.enum(['save', 'commit', 'leave']).default('save'),
  /**
   * Objects that were imported from outside of the namespace: listed, or also copied into the pool. Of a target: `copy` puts back those
   * that are gone from where they were.
   */
  external: z.enum(['list', 'copy']).default('list'),
  /** `async` for repositories whose dump takes longer than a request may. */
  dump: z.enum(['sync', 'async']).default('sync'),
});

export type LakefsAddress = z.output<typeof LakefsAddressSchema>;

export const SCHEMES = ['lakefs+https', 'lakefs+http'] as const;

const PARAMETERS = new Set([
  'namespace',
  'localPath',
  'defaultBranch',
  'storageId',
  'storageEndpoint',
  'region',
  'uncommitted',
  'external',
  'dump',
]);

/** `lakefs+https://KEY:SECRET@host/repository?namespace=s3://bucket/prefix`; fails with Usage. */
export const addressFromUrl = (url: URL): LakefsAddress => {
  const shown = `${url.protocol}//${url.host}${url.pathname}`;
  for (const name of url.searchParams.keys())
    if (!PARAMETERS.has(name))
      throw new LifeboatError('Usage', `unknown parameter "${name}" in ${shown}`, { hint: `Known are ${[...PARAMETERS].join(', ')}.` });
  const parameter = (name: string): string | undefined => url.searchParams.get(name) ?? undefined;
  const [repository, ...more] = url.pathname.split('/').filter((part) => part !== '');
  if (repository === undefined || more.length > 0)
    throw new LifeboatError('Usage', `${shown} does not name a repository`, { hint: 'It looks like lakefs+https://host/repository.' });
  const storage = defined({ endpoint: parameter('storageEndpoint'), region: parameter('region') });
  const parsed = LakefsAddressSchema.safeParse(
    defined({
      endpoint: `${url.protocol.replace('lakefs+', '')}//${url.host}`,
      repository: decodeURIComponent(repository),
      accessKeyId: url.username === '' ? undefined : decodeURIComponent(url.username),
      inlineSecretAccessKey: url.password === '' ? undefined : decodeURIComponent(url.password),
      namespace: parameter('namespace'),
      defaultBranch: parameter('defaultBranch'),
      storageId: parameter('storageId'),
      localPath: parameter('localPath'),
      uncommitted: parameter('uncommitted'),
      dump: parameter('dump'),
      external: parameter('external'),
      storage: Object.keys(storage).length === 0 ? undefined : storage,
    }),
  );
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new LifeboatError('Usage', `${issue?.path.join('.') ?? 'url'} of ${shown} is not valid`, { hint: issue?.message ?? '' });
};

const defined = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

/** For people and records: no keys. */
export const redact = ({ endpoint, repository, namespace }: LakefsAddress): string =>
  `lakefs+${endpoint === undefined ? 'https://server-of-lakectl' : endpoint.replace(/\/(api\/v1)?\/*$/, '')}/${repository}${namespace === undefined ? '' : ` in ${namespace}`}`;

/** What every scratch repository and its storage are called; nothing else is ever removed. */
export const SCRATCH_PREFIX = 'lifeboat-drill-';

export const isScratch = (repository: string): boolean => repository.startsWith(SCRATCH_PREFIX);

/** The address of a drill names a server and a namespace; repository and storage get names of their own. */
export const scratchAddress = (address: LakefsAddress, name: string): LakefsAddress => ({
  ...address,
  repository: name,
  ...(address.namespace === undefined ? {} : { namespace: `${address.namespace.replace(/\/+$/, '')}/${name}` }),
});
