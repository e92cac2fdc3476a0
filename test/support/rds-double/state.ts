import type { Cluster } from './clusters.ts';
import { type Fields, type Form, RdsError } from './query.ts';
import type { Status } from './status.ts';

/** What the double holds. Regions and accounts are read from the signature of each request. */
export interface State {
  /** What its instances are. */
  readonly kind: 'db' | 'cluster';
  readonly now: () => number;
  readonly durations: Durations;
  readonly instances: Map<string, Instance>;
  readonly snapshots: Map<string, Snapshot>;
  readonly exports: Map<string, ExportTask>;
  /** By ARN: what Secrets Manager answers. */
  readonly secrets: Map<string, string>;
  /** By restore job: what AWS Backup was told. */
  readonly validations: Map<string, { readonly ValidationStatus: string; readonly ValidationStatusMessage: string }>;
  /** Keys that nobody may use: disabled, or without a grant. */
  readonly closedKeys: Set<string>;
  /** Manual snapshots that an account may have in a region. */
  snapshotQuota: number;
  /** How the next thing that an action makes ends, in place of `available`. */
  readonly endings: Map<string, string>;
}

/** Milliseconds that each transition takes. */
export interface Durations {
  readonly snapshot: number;
  readonly copy: number;
  readonly restore: number;
  /** A status of an instance that was restored, before it is available. */
  readonly rebooting: number;
  /** Until ModifyDBInstance shows in the status, which says `available` meanwhile. */
  readonly pending: number;
  readonly credentials: number;
  readonly deleting: number;
  readonly export: number;
}

export interface Caller {
  readonly region: string;
  readonly account: string;
}

export interface Instance extends Caller {
  readonly id: string;
  readonly arn: string;
  readonly engineVersion: string;
  readonly instanceClass: string;
  readonly dbName: string | undefined;
  readonly kmsKey: string | undefined;
  readonly network: Fields;
  readonly tags: Map<string, string>;
  /** Nobody logs in to it, so there is no server behind it. */
  readonly hollow: boolean;
  deletionProtection: boolean;
  password: string;
  cluster: Cluster | undefined;
  status: Status;
  secret: { readonly arn: string; readonly status: Status } | undefined;
}

export interface Snapshot extends Caller {
  readonly id: string;
  readonly arn: string;
  readonly instance: string;
  readonly type: 'manual' | 'automated';
  readonly engineVersion: string;
  readonly dbName: string | undefined;
  readonly kmsKey: string | undefined;
  readonly password: string;
  readonly startedAt: number;
  readonly tags: Map<string, string>;
  readonly status: Status;
  readonly sourceArn: string | undefined;
  readonly hollow: boolean;
  /** Accounts that may restore and copy it. */
  readonly shared: Set<string>;
  /** Of the copied data; undefined until the copy has ended. */
  folder: string | undefined;
}

export interface ExportTask {
  readonly id: string;
  readonly source: string;
  readonly bucket: string;
  readonly prefix: string;
  readonly status: Status;
}

export const keyOf = ({ region, account }: Caller, id: string): string => `${account}/${region}/${id.toLowerCase()}`;

export const arnOf = ({ region, account }: Caller, kind: 'db' | 'snapshot', id: string): string =>
  `arn:aws:rds:${region}:${account}:${kind}:${id.toLowerCase()}`;

/** The key that AWS keeps for each account; nobody else can be given it. */
export const defaultKey = ({ region, account }: Caller): string => `arn:aws:kms:${region}:${account}:key/aws-rds-default`;

/** A key is used where it is; `region` is where that would have to be. */
export const checkKey = (state: State, key: string | undefined, region?: string): void => {
  if (key !== undefined && (state.closedKeys.has(key) || (region !== undefined && key.split(':')[3] !== region)))
    throw new RdsError(
      'KMSKeyNotAccessibleFault',
      400,
      `The specified KMS key [${key}] does not exist, is not enabled or you do not have permissions to access it.`,
    );
};

/** 1 to 63 letters, digits, hyphens (255 for snapshots); begins with a letter, no hyphen at the end nor two in a row. */
export const checkId = (form: Form, name: string, length: number): string => {
  const id = form.need(name).toLowerCase();
  if (id.length <= length && /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(id)) return id;
  throw new RdsError('InvalidParameterValue', 400, `The parameter ${name} is not a valid identifier: ${id}`);
};

export const checkTags = (form: Form): Map<string, string> => {
  const tags = new Map(form.tags());
  for (const [key, value] of tags)
    if (key.startsWith('aws:') || !/^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$/u.test(key) || !/^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$/u.test(value))
      throw new RdsError('InvalidParameterValue', 400, `The tag ${key}=${value} is not valid`);
  return tags;
};
