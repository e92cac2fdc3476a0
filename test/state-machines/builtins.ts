import { ADDED_FUNCTIONS } from '../../src/local/asl/functions.ts';

/** The functions of JSONata 2 and those that Step Functions adds; `$eval` does not exist there. */
export const FUNCTIONS: ReadonlySet<string> = new Set([
  ...`abs append assert average base64decode base64encode boolean ceil clone contains count decodeUrl decodeUrlComponent distinct
    each encodeUrl encodeUrlComponent error exists filter floor formatBase formatInteger formatNumber fromMillis join keys length
    lookup lowercase map match max merge min not number pad parseInteger power reduce replace reverse round shuffle sift single
    sort split spread sqrt string substring substringAfter substringBefore sum toMillis trim type uppercase zip`
    .split(/\s+/)
    .filter((name) => name !== ''),
  ...ADDED_FUNCTIONS,
]);

/** Error names with a dot that Step Functions and Lambda report and that a machine of ours may name. */
export const SERVICE_ERRORS: ReadonlySet<string> = new Set([
  'States.ALL',
  'States.TaskFailed',
  'States.Timeout',
  'States.DataLimitExceeded',
  'States.ExceedToleratedFailureThreshold',
  'States.ItemReaderFailed',
  'States.NoChoiceMatched',
  'States.Permissions',
  'States.QueryEvaluationError',
  'States.ResultWriterFailed',
  'Lambda.ServiceException',
  'Lambda.AWSLambdaException',
  'Lambda.SdkClientException',
  'Lambda.TooManyRequestsException',
  'Lambda.Unknown',
  'Runtime.ExitError',
  'Sandbox.Timedout',
  'StepFunctions.ExecutionAlreadyExistsException',
  'StepFunctions.ExecutionLimitExceededException',
  'StepFunctions.SdkClientException',
]);
