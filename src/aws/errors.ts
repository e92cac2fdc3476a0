import { LifeboatError } from '../errors.ts';
import { nameOf, statusOf } from '../stores/s3-errors.ts';

/** What was asked of AWS, for messages. */
export interface Deed {
  /** As IAM has it: `states:StartExecution`. */
  readonly action: string;
  /** ARN or name. */
  readonly resource: string;
  readonly region: string;
}

const NO_CREDENTIALS = new Set(['CredentialsProviderError', 'TokenProviderError']);
const REFUSED = new Set([
  'ExpiredTokenException',
  'ExpiredToken',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'UnrecognizedClientException',
  'MissingAuthenticationTokenException',
]);
const DENIED = new Set(['AccessDeniedException', 'AccessDenied', 'UnauthorizedOperation', 'AuthorizationError']);
const THROTTLED = new Set([
  'ThrottlingException',
  'Throttling',
  'TooManyRequestsException',
  'RequestLimitExceeded',
  'LimitExceededException',
]);
const MISSING = new Set([
  'StateMachineDoesNotExist',
  'ExecutionDoesNotExist',
  'ResourceNotFoundException',
  'ResourceNotFound',
  'NotFoundException',
  'InvalidArn',
]);

/** Asked too often, or not heard: to ask again later may help, and changes nothing. */
export const isPassing = (error: unknown): boolean => error instanceof LifeboatError && error.retryable;

export const isMissing = (error: unknown): boolean => error instanceof LifeboatError && MISSING.has(nameOf(error.cause));

/** What a failure of the SDK means for whoever asked. Anything that neither AWS nor a network caused comes back as it is. */
export const callError = (error: unknown, deed: Deed): unknown => {
  if (error instanceof LifeboatError || nameOf(error) === 'AbortError') return error;
  const name = nameOf(error);
  const { action, resource, region } = deed;
  const make = (code: ConstructorParameters<typeof LifeboatError>[0], message: string, hint: string): LifeboatError =>
    new LifeboatError(code, message, { hint, cause: error });
  if (NO_CREDENTIALS.has(name))
    return make(
      'LoginFailed',
      `no AWS credentials were found for ${action}`,
      'Set AWS_PROFILE or AWS_ACCESS_KEY_ID, or log in: `aws sso login`.',
    );
  if (REFUSED.has(name))
    return make(
      'LoginFailed',
      `AWS refused the credentials: ${name}`,
      'They expired or are wrong: log in again. `aws sts get-caller-identity` shows whose they are.',
    );
  if (DENIED.has(name))
    return make(
      'PermissionDenied',
      `these credentials may not ${action} on ${resource}`,
      'docs/aws.md lists what the command line needs; is it the right account and role?',
    );
  if (MISSING.has(name))
    return make(
      'NotDeployed',
      `there is no ${resource} in ${region}`,
      'Deploy the environment first: `npx cdk deploy --all -c env=<name>`.',
    );
  if (THROTTLED.has(name) || statusOf(error) === 429)
    return make('ConnectionLost', `AWS is asked too often: ${action} is throttled`, 'Try again in a minute.');
  if (statusOf(error) >= 500 || isNetwork(error))
    return make(
      'ConnectionLost',
      `${action} got no answer from ${region}: ${name}`,
      'Is there a network? AWS_ENDPOINT_URL and proxies count, too.',
    );
  if (statusOf(error) >= 400)
    return make(
      'Unsupported',
      `AWS refused ${action} on ${resource}: ${name}: ${messageOf(error)}`,
      'This is a mistake of Lifeboat, or of a version in between.',
    );
  return error;
};

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : '');

/** Errors of sockets, of TLS and of names have a code and no answer. */
const isNetwork = (error: unknown): boolean =>
  nameOf(error) === 'TimeoutError' ||
  (error instanceof Error && 'code' in error && typeof error.code === 'string' && statusOf(error) === 0);
