import { z } from 'zod';
import type { Manifest } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import { accountOf } from './names.ts';

/** The artifact of a snapshot backup: where the snapshot is, and what it is of. Also the context of its segment. */
export const ReferenceSchema = z.object({
  kind: z.literal('rds-snapshot'),
  formatVersion: z.literal(1),
  snapshot: z.string(),
  arn: z.string(),
  region: z.string(),
  instance: z.string(),
  /** Aurora: `instance` is a cluster, and the snapshot one of a cluster. */
  cluster: z.boolean().default(false),
  engine: z.string(),
  engineVersion: z.string(),
  /** Null where the instance was made without one and none is configured. */
  database: z.string().nullable(),
  user: z.string(),
  /** ISO 8601: the instant that the snapshot shows. */
  createdAt: z.string(),
  kmsKey: z.string().nullable(),
  /** Of the volume, as RDS has it; null in references of older backups. */
  bytes: z.number().nullable().default(null),
  copies: z.array(
    z.object({
      snapshot: z.string(),
      arn: z.string(),
      region: z.string(),
      sharedWith: z.array(z.string()),
      /** ARN of the role of another account that made it there. */
      role: z.string().nullable().default(null),
      /** It stays when the backup goes. */
      kept: z.boolean().default(false),
    }),
  ),
  export: z.object({ task: z.string(), bucket: z.string(), prefix: z.string() }).nullable(),
});
export type Reference = z.output<typeof ReferenceSchema>;

export const EXTENSION = 'rds.json';

export const encodeReference = (reference: Reference): Uint8Array => Buffer.from(`${JSON.stringify(reference, null, 2)}\n`);

/** Of the artifact as a file. Fails with ArtifactInvalid. */
export const decodeReference = (bytes: Uint8Array): Reference => {
  try {
    return ReferenceSchema.parse(parseJson(Buffer.from(bytes).toString('utf8')));
  } catch (cause) {
    throw new LifeboatError('ArtifactInvalid', 'this is no reference to an RDS snapshot', { hint: 'Is the file whole?', cause });
  }
};

/** Of a manifest or a receipt; undefined when it has none. */
export const referenceIn = (manifest: Pick<Manifest, 'segments'>): Reference | undefined => {
  for (const { context } of manifest.segments) {
    const found = ReferenceSchema.safeParse(context);
    if (found.success) return found.data;
  }
  return undefined;
};

export const referenceOf = (manifest: Manifest): Reference => {
  const found = referenceIn(manifest);
  if (found !== undefined) return found;
  throw new LifeboatError('ManifestInvalid', `backup ${manifest.backup} names no RDS snapshot`, {
    hint: 'It is no backup of the kind rds.',
  });
};

/** Whether snapshots of a backup lie in more than one account, so that it matters whose credentials ask. */
export const isInAccounts = (reference: Reference): boolean => new Set(snapshotsOf(reference).map(({ arn }) => accountOf(arn))).size > 1;

/** The snapshot, or its copy, in the region of the restore; where other accounts have copies, that of `account`. */
export const snapshotIn = (reference: Reference, region: string, account?: string): string => {
  const known = snapshotsOf(reference);
  const found = known.find((one) => one.region === region && (account === undefined || accountOf(one.arn) === account));
  if (found !== undefined) return found.arn;
  const places = known.map((one) => (account === undefined ? one.region : `${one.region} of account ${accountOf(one.arn)}`));
  throw new LifeboatError(
    'TargetProblem',
    `snapshot ${reference.snapshot} is not in ${region}${account === undefined ? '' : ` of account ${account}`}`,
    { hint: `It is in ${[...new Set(places)].join(', ')}; name one of them as the region of the target, or give the source copies.` },
  );
};

/** Those that can be restored from; what is there to be shared only repeats the first. */
const snapshotsOf = ({ region, arn, copies }: Reference): readonly { readonly region: string; readonly arn: string }[] => [
  { region, arn },
  ...copies.filter(({ sharedWith }) => sharedWith.length === 0),
];
