import { z } from 'zod';
import type { Manifest } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';

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
  copies: z.array(z.object({ snapshot: z.string(), arn: z.string(), region: z.string(), sharedWith: z.array(z.string()) })),
  export: z.object({ task: z.string(), bucket: z.string(), prefix: z.string() }).nullable(),
});
export type Reference = z.output<typeof ReferenceSchema>;

export const EXTENSION = 'rds.json';

export const encodeReference = (reference: Reference): Uint8Array => Buffer.from(`${JSON.stringify(reference, null, 2)}\n`);

/** Of the artifact as a file. Fails with ArtifactInvalid. */
export const decodeReference = (bytes: Uint8Array): Reference => {
  try {
    return ReferenceSchema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
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

/** The snapshot, or its copy, in the region of the restore. */
export const snapshotIn = (reference: Reference, region: string): string => {
  if (reference.region === region) return reference.arn;
  const copy = reference.copies.find((one) => one.region === region && one.sharedWith.length === 0);
  if (copy !== undefined) return copy.arn;
  const regions = [reference.region, ...reference.copies.map((one) => one.region)];
  throw new LifeboatError('TargetProblem', `snapshot ${reference.snapshot} is not in ${region}`, {
    hint: `It is in ${[...new Set(regions)].join(', ')}; name one of them as the region of the target, or give the source copies.`,
  });
};
