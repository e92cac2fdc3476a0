import { LifeboatError } from '../errors.ts';

/** What was done, for messages: `PutObject` on a key of a bucket. */
export interface Deed {
  readonly action: string;
  readonly bucket: string;
  /** Full key, or undefined for the bucket itself. */
  readonly key?: string | undefined;
}

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && name in value ? Reflect.get(value, name) : undefined;

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

export const nameOf = (error: unknown): string => textOf(field(error, 'name'));
const messageOf = (error: unknown): string => textOf(field(error, 'message'));
export const statusOf = (error: unknown): number => Number(field(field(error, '$metadata'), 'httpStatusCode') ?? 0);
/** How often the SDK sent the request; more than once means that an earlier try may have been carried out. */
export const attemptsOf = (error: unknown): number => Number(field(field(error, '$metadata'), 'attempts') ?? 1);

export const isPreconditionFailed = (error: unknown): boolean => statusOf(error) === 412 || nameOf(error) === 'PreconditionFailed';
/** Another conditional write of the same key is going on: this one was not carried out, and may be sent again. */
export const isConflict = (error: unknown): boolean => statusOf(error) === 409 && nameOf(error) !== 'InvalidBucketState';
/** The bytes that arrived were not those that were sent, and were not stored. */
export const isDamaged = (error: unknown): boolean =>
  ['BadDigest', 'XAmzContentChecksumMismatch', 'XAmzContentSHA256Mismatch', 'IncompleteBody'].includes(nameOf(error));
export const isMissing = (error: unknown): boolean => statusOf(error) === 404 && !['NoSuchBucket', 'NoSuchUpload'].includes(nameOf(error));
export const isNoSuchUpload = (error: unknown): boolean => nameOf(error) === 'NoSuchUpload';

const LOGIN = new Set([
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'ExpiredToken',
  'InvalidToken',
  'TokenRefreshRequired',
  'RequestTimeTooSkewed',
]);
const NO_CREDENTIALS = new Set(['CredentialsProviderError', 'TokenProviderError']);
const FULL = new Set(['QuotaExceeded', 'XMinioStorageFull', 'InsufficientStorage', 'StorageFull', 'ServiceQuotaExceeded']);
const REGION = new Set(['PermanentRedirect', 'AuthorizationHeaderMalformed', 'IllegalLocationConstraintException']);
const NETWORK = new Set([
  ...[
    'ECONNRESET',
    'ECONNREFUSED',
    'EPIPE',
    'ETIMEDOUT',
    'ENOTFOUND',
    'EAI_AGAIN',
    'EHOSTUNREACH',
    'ENETUNREACH',
    'ERR_STREAM_PREMATURE_CLOSE',
  ],
  ...[
    'UND_ERR_SOCKET',
    'EPROTO',
    'CERT_HAS_EXPIRED',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  ],
]);

/** What a failure of the SDK means for a store. Anything that no server and no network caused comes back as it is. */
export const s3Error = (error: unknown, deed: Deed): unknown => {
  if (error instanceof LifeboatError || nameOf(error) === 'AbortError') return error;
  const status = statusOf(error);
  const name = nameOf(error);
  if (NO_CREDENTIALS.has(name))
    return denied(error, deed, 'no AWS credentials were found', 'Set AWS_PROFILE or AWS_ACCESS_KEY_ID, or give the function a role.');
  if (name === 'NoSuchBucket')
    return make('NoSuchStore', `there is no bucket ${deed.bucket}`, error, 'Check the name of the bucket, its account and its region.');
  if (isMissing(error)) return make('NoSuchObject', `there is no ${placeOf(deed)}`, error);
  if (/checksum.*header is required/i.test(messageOf(error)))
    return make(
      'ConfigInvalid',
      `bucket ${deed.bucket} takes no object without a checksum`,
      error,
      'It has Object Lock: set objectLock for this store.',
    );
  if (status === 501 || isChecksumRefused(error)) return notImplemented(error, deed);
  if (name === 'InvalidObjectState')
    return make(
      'Unsupported',
      `${placeOf(deed)} is archived`,
      error,
      'Restore it from its storage class first (aws s3api restore-object).',
    );
  if (FULL.has(name) || status === 507)
    return make('StoreFull', `${placeOf(deed)} was not stored: ${name}`, error, 'Raise the quota of the bucket, or prune old backups.');
  if (REGION.has(name) || status === 301)
    return make(
      'ConfigInvalid',
      `bucket ${deed.bucket} is in another region`,
      error,
      'Set the region of the store in the environment file.',
    );
  if (LOGIN.has(name)) return denied(error, deed, name, 'The AWS credentials are wrong, have expired, or the clock of this machine is.');
  if (status === 401 || status === 403) return denied(error, deed, name, deniedHint(deed));
  if (isPassing(error, status)) return unavailable(error, deed);
  if (status >= 400) return make('StoreDenied', `s3:${deed.action} was refused on ${placeOf(deed)}: ${name}: ${messageOf(error)}`, error);
  return configured(error);
};

export const unavailable = (error: unknown, deed: Deed): LifeboatError =>
  make(
    'StoreUnavailable',
    `s3:${deed.action} on ${placeOf(deed)} failed: ${nameOf(error)}${messageOf(error) === '' ? '' : `: ${messageOf(error)}`}`,
    error,
    'The store could not be reached, or asked for less load; try again later.',
  );

const isPassing = (error: unknown, status: number): boolean =>
  status >= 500 ||
  status === 429 ||
  status === 408 ||
  nameOf(error) === 'TimeoutError' ||
  isDamaged(error) ||
  isConflict(error) ||
  isNetwork(error);

const isNetwork = (error: unknown): boolean =>
  NETWORK.has(textOf(field(error, 'code'))) || (field(error, 'cause') !== undefined && isNetwork(field(error, 'cause')));

const isChecksumRefused = (error: unknown): boolean =>
  statusOf(error) === 400 &&
  ['InvalidArgument', 'InvalidRequest', 'NotImplemented'].includes(nameOf(error)) &&
  /x-amz-(sdk-)?checksum/i.test(messageOf(error));

const notImplemented = (error: unknown, deed: Deed): LifeboatError =>
  make(
    'Unsupported',
    `the server of ${deed.bucket} does not implement something that s3:${deed.action} needs: ${messageOf(error)}`,
    error,
    'Set requestChecksumCalculation to WHEN_REQUIRED for this store if it refuses checksum headers; conditional writes (If-None-Match) it must have.',
  );

const denied = (error: unknown, deed: Deed, why: string, hint: string): LifeboatError =>
  make('StoreDenied', `s3:${deed.action} was denied on ${placeOf(deed)}: ${why}`, error, hint);

const deniedHint = ({ action, bucket, key }: Deed): string =>
  `Allow ${PERMISSION[action] ?? `s3:${action}`} on arn:aws:s3:::${bucket}${key === undefined ? '' : `/${key}`}${READS.has(action) ? '; without s3:ListBucket a missing object looks like this, too' : ''}.`;

/** Where the permission is not called like the request. */
const PERMISSION: Readonly<Record<string, string>> = {
  HeadObject: 's3:GetObject',
  ListObjectsV2: 's3:ListBucket',
  CreateMultipartUpload: 's3:PutObject',
  UploadPart: 's3:PutObject',
  CompleteMultipartUpload: 's3:PutObject',
};

const READS = new Set(['GetObject', 'HeadObject']);

const placeOf = ({ bucket, key }: Deed): string => (key === undefined ? `s3://${bucket}` : `s3://${bucket}/${key}`);

/** The SDK's own complaints have no name of their own. */
const configured = (error: unknown): unknown =>
  /region is missing/i.test(messageOf(error))
    ? make('ConfigInvalid', 'the AWS region is not known', error, 'Set AWS_REGION, or the region of the store in the environment file.')
    : error;

/** The cause is told in words only: SDK errors carry the signed request, and with it session tokens. */
const make = (code: ConstructorParameters<typeof LifeboatError>[0], message: string, error: unknown, hint = ''): LifeboatError => {
  const status = statusOf(error);
  const id = textOf(field(field(error, '$metadata'), 'requestId'));
  const said = `${nameOf(error)}: ${messageOf(error)}${status === 0 ? '' : ` (HTTP ${status})`}${id === '' ? '' : `, request ${id}`}`;
  return new LifeboatError(code, message, { hint, cause: new Error(said) });
};
