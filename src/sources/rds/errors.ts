import { type ErrorCode, LifeboatError } from '../../errors.ts';

interface Known {
  readonly code: ErrorCode;
  readonly hint: string;
}

/** By the name that RDS gives, without `Fault` at its end. */
const KNOWN: Readonly<Record<string, Known>> = {
  SnapshotQuotaExceeded: {
    code: 'SnapshotQuotaExceeded',
    hint: 'Delete old manual snapshots, keep fewer backups, or ask AWS for a higher quota of manual snapshots in this region.',
  },
  KMSKeyNotAccessible: {
    code: 'KMSKeyNotAccessible',
    hint: 'The role needs kms:CreateGrant, kms:DescribeKey, kms:Decrypt and kms:GenerateDataKey* on this key; is the key enabled, and of this region?',
  },
  InvalidDBInstanceState: { code: 'InvalidDBInstanceState', hint: 'Wait until the instance is available, then start it again.' },
  InstanceQuotaExceeded: { code: 'TargetProblem', hint: 'Delete instances, or ask AWS for a higher quota of DB instances.' },
  StorageQuotaExceeded: { code: 'TargetProblem', hint: 'Ask AWS for a higher quota of DB storage.' },
  InsufficientDBInstanceCapacity: { code: 'TargetProblem', hint: 'Choose another placement.instanceClass, or try again later.' },
  DBSubnetGroupNotFound: { code: 'TargetProblem', hint: 'Check placement.subnetGroup.' },
  DBSubnetGroupDoesNotCoverEnoughAZs: { code: 'TargetProblem', hint: 'Check placement.subnetGroup.' },
  InvalidVPCNetworkState: { code: 'TargetProblem', hint: 'Check placement.subnetGroup and placement.securityGroups.' },
  InvalidSubnet: { code: 'TargetProblem', hint: 'Check placement.subnetGroup.' },
  DBParameterGroupNotFound: { code: 'TargetProblem', hint: 'Check placement.parameterGroup.' },
  InvalidDBClusterState: { code: 'InvalidDBInstanceState', hint: 'Wait until the cluster is available, then start it again.' },
  DBClusterNotFound: { code: 'NoSuchDatabase', hint: 'Check instance and region.' },
  DBClusterSnapshotNotFound: {
    code: 'NoSuchObject',
    hint: 'The snapshot was deleted by somebody else than Lifeboat; its backup is lost.',
  },
  DBInstanceNotFound: { code: 'NoSuchDatabase', hint: 'Check instance and region.' },
  DBSnapshotNotFound: { code: 'NoSuchObject', hint: 'The snapshot was deleted by somebody else than Lifeboat; its backup is lost.' },
  AccessDenied: { code: 'PermissionDenied', hint: 'docs/openmetadata-on-rds.md lists what the role may do.' },
  UnauthorizedOperation: { code: 'PermissionDenied', hint: 'docs/openmetadata-on-rds.md lists what the role may do.' },
  NotAuthorized: { code: 'PermissionDenied', hint: 'docs/openmetadata-on-rds.md lists what the role may do.' },
  ExpiredToken: { code: 'LoginFailed', hint: 'Sign in to AWS again.' },
  InvalidClientTokenId: { code: 'LoginFailed', hint: 'Check the AWS credentials and the region.' },
  SignatureDoesNotMatch: { code: 'LoginFailed', hint: 'Check the AWS credentials.' },
  CredentialsProviderError: { code: 'LoginFailed', hint: 'Give AWS credentials: a role, a profile, or AWS_ACCESS_KEY_ID.' },
  Throttling: { code: 'SourceBusy', hint: 'RDS answers few calls a second for a whole account; it is tried again.' },
  ThrottlingException: { code: 'SourceBusy', hint: 'RDS answers few calls a second for a whole account; it is tried again.' },
  RequestLimitExceeded: { code: 'SourceBusy', hint: 'RDS answers few calls a second for a whole account; it is tried again.' },
  InternalFailure: { code: 'SourceBusy', hint: 'RDS failed by itself; it is tried again.' },
  ServiceUnavailable: { code: 'SourceBusy', hint: 'RDS failed by itself; it is tried again.' },
};

/** Of sockets: nothing was answered. */
const LOST = /^(TimeoutError|ECONN\w+|EPIPE|ENETUNREACH|ENOTFOUND|EAI_AGAIN)$/;

/** `KMSKeyNotAccessibleFault` is `KMSKeyNotAccessible`; empty for what is no error of the SDK. */
export const rdsName = (error: unknown): string => (error instanceof Error ? error.name.replace(/Fault$/, '') : '');

/** Says what was being done, and what RDS answered, by name. */
export const rdsError = (error: unknown, doing: string): unknown => {
  if (error instanceof LifeboatError || !(error instanceof Error)) return error;
  const name = rdsName(error);
  const known = Object.hasOwn(KNOWN, name) ? KNOWN[name] : undefined;
  const message = `${doing}: ${name}: ${error.message.slice(0, MESSAGE_MAX)}`;
  if (known !== undefined) return new LifeboatError(known.code, message, { hint: known.hint, cause: error });
  if (LOST.test(name) || ('code' in error && LOST.test(String(error.code))))
    return new LifeboatError('ConnectionLost', `${doing}: RDS does not answer`, {
      hint: 'Check the network, the region and the endpoint.',
      cause: error,
    });
  return new LifeboatError('SourceProblem', message, { hint: `RDS refused it: ${name}.`, cause: error });
};

/** Characters of what RDS says; some of its messages quote whole policies. */
const MESSAGE_MAX = 500;
