import { NOTIFY, WATCH } from '../../../src/environment/steps.ts';
import type { Seen } from '../../support/s3-server.ts';
import { callerOf, type ServiceCall, TEST } from './services.ts';
import { ACCOUNT, type Cloud, KEY_ARN, REGION } from './template.ts';

/** One thing that a role has to be allowed. */
export interface Need {
  /** The name of a function, of a machine or of a role. */
  readonly by: string;
  readonly action: string;
  readonly resource: string;
  readonly context: Readonly<Record<string, string>>;
}

/** Of the example; both are encrypted with its key. */
const OUR_BUCKETS = ['acme-lifeboat-store', 'acme-lifeboat-control'];

const THROUGH_S3 = { 'kms:ViaService': `s3.${REGION}.amazonaws.com` };

/** What IAM asks for each request that S3 saw. A request that is not here fails the proof. */
const S3_ACTIONS: Readonly<Record<string, (versioned: boolean) => string>> = {
  GetObject: (versioned) => (versioned ? 's3:GetObjectVersion' : 's3:GetObject'),
  HeadObject: (versioned) => (versioned ? 's3:GetObjectVersion' : 's3:GetObject'),
  ListObjectsV2: () => 's3:ListBucket',
  ListMultipartUploads: () => 's3:ListBucketMultipartUploads',
  PutObject: () => 's3:PutObject',
  CreateMultipartUpload: () => 's3:PutObject',
  UploadPart: () => 's3:PutObject',
  CompleteMultipartUpload: () => 's3:PutObject',
  AbortMultipartUpload: () => 's3:AbortMultipartUpload',
  CopyObject: () => 's3:PutObject',
  UploadPartCopy: () => 's3:PutObject',
  DeleteObject: (versioned) => (versioned ? 's3:DeleteObjectVersion' : 's3:DeleteObject'),
};

/** What a request needs beyond its own action: keys, and what S3 asks for conditions and for missing keys. */
const s3Needs = (seen: Seen): Need[] => {
  const by = callerOf(seen.headers);
  if (by === '') throw new Error(`somebody calls ${seen.operation} on ${seen.bucket}/${seen.key}, and nobody knows who`);
  const action = S3_ACTIONS[seen.operation]?.(seen.query.has('versionId'));
  if (action === undefined) throw new Error(`${by} calls ${seen.operation}, and nobody knows what that needs`);
  const bucket = `arn:aws:s3:::${seen.bucket}`;
  const object = `${bucket}/${seen.key}`;
  const creates = ['PutObject', 'CopyObject', 'CompleteMultipartUpload'].includes(seen.operation);
  const condition = seen.headers['if-none-match'];
  const match = seen.headers['if-match'];
  const own: Need = {
    by,
    action,
    resource: action.startsWith('s3:ListBucket') ? bucket : object,
    context: {
      ...(action === 's3:PutObject' ? { 's3:ObjectCreationOperation': String(creates) } : {}),
      ...(condition === undefined ? {} : { 's3:if-none-match': condition }),
      ...(match === undefined || !creates ? {} : { 's3:if-match': match }),
    },
  };
  const more: Need[] = [];
  const copied = seen.headers['x-amz-copy-source'];
  if (typeof copied === 'string')
    more.push({ by, action: 's3:GetObject', resource: `arn:aws:s3:::${decodeURIComponent(copied)}`, context: {} });
  // Buckets of a product have keys of their own, if any.
  const ours = OUR_BUCKETS.includes(seen.bucket) || (typeof copied === 'string' && OUR_BUCKETS.includes(copied.split('/')[0] ?? ''));
  const key = (use: string): void => void (ours && more.push({ by, action: `kms:${use}`, resource: KEY_ARN, context: THROUGH_S3 }));
  if (action === 's3:PutObject') key('GenerateDataKey');
  if (
    action.startsWith('s3:GetObject') ||
    copied !== undefined ||
    (seen.operation.includes('Upload') && action !== 's3:ListBucketMultipartUploads')
  )
    key('Decrypt');
  if (creates && match !== undefined) more.push({ by, action: 's3:GetObject', resource: object, context: {} });
  if (creates) more.push({ by, action: 's3:AbortMultipartUpload', resource: object, context: {} });
  if (seen.status() === 404) more.push({ by, action: 's3:ListBucket', resource: bucket, context: {} });
  return [own, ...more];
};

/** What every function does without a call in its code. */
const functionNeeds = (cloud: Cloud): Need[] =>
  [...cloud.functions].flatMap(([by, { step }]) => {
    const group = step === WATCH || step === NOTIFY ? step : by.slice('example-'.length, -step.length - 1);
    const logs = `arn:aws:logs:${REGION}:${ACCOUNT}:log-group:/lifeboat/example/${group}:log-stream:2026/11/21/x`;
    return [
      { by, action: 'logs:CreateLogStream', resource: logs, context: {} },
      { by, action: 'logs:PutLogEvents', resource: logs, context: {} },
      { by, action: 'xray:PutTraceSegments', resource: '*', context: {} },
      { by, action: 'xray:PutTelemetryRecords', resource: '*', context: {} },
    ];
  });

/** Functions that run in the VPC ask for its interfaces. */
export const interfaceNeeds = (functions: readonly string[]): Need[] =>
  functions.flatMap((by) => [
    { by, action: 'ec2:CreateNetworkInterface', resource: `arn:aws:ec2:${REGION}:${ACCOUNT}:network-interface/eni-0`, context: {} },
    { by, action: 'ec2:DescribeNetworkInterfaces', resource: '*', context: {} },
    { by, action: 'ec2:DescribeSubnets', resource: '*', context: {} },
    { by, action: 'ec2:DeleteNetworkInterface', resource: `arn:aws:ec2:${REGION}:${ACCOUNT}:network-interface/eni-0`, context: {} },
  ]);

const LOG_DELIVERY = ['CreateLogDelivery', 'GetLogDelivery', 'UpdateLogDelivery', 'DeleteLogDelivery', 'ListLogDeliveries'];
const LOG_POLICIES = ['PutResourcePolicy', 'DescribeResourcePolicies', 'DescribeLogGroups'];
const TRACING = ['PutTraceSegments', 'PutTelemetryRecords', 'GetSamplingRules', 'GetSamplingTargets'];

/** The rule by which startExecution.sync hears of ends. */
const SYNC_RULE = `arn:aws:events:${REGION}:${ACCOUNT}:rule/StepFunctionsGetEventsForStepFunctionsExecutionRule`;

/** What Step Functions does for a machine beside its states, by its guide on policies of machines. */
const machineNeeds = (cloud: Cloud): Need[] =>
  [...cloud.machines.keys()].flatMap((arn) => {
    const by = arn.slice(arn.lastIndexOf(':') + 1);
    const execution = arn.replace(':stateMachine:', ':execution:');
    const need = (action: string, resource: string, context: Need['context'] = {}): Need => ({ by, action, resource, context });
    const always = [
      ...[...LOG_DELIVERY, ...LOG_POLICIES].map((action) => need(`logs:${action}`, '*')),
      ...TRACING.map((action) => need(`xray:${action}`, '*')),
    ];
    if (by.endsWith('-drill')) {
      const restore = execution.replace(/-drill$/, '-restore');
      return [
        ...always,
        ...['DescribeExecution', 'StopExecution'].map((action) => need(`states:${action}`, `${restore}:x`)),
        ...['PutTargets', 'PutRule', 'DescribeRule'].map((action) => need(`events:${action}`, SYNC_RULE)),
      ];
    }
    const results = `arn:aws:s3:::acme-lifeboat-control/prod/${by.replace(/^example-(.*)-[a-z]+$/, '$1')}/runs/x/results/manifest.json`;
    return [
      ...always,
      need('states:StartExecution', arn),
      // Children are executions of the machine under the label of their Map.
      ...[`${execution}:x`, `${execution}/DumpTasks:x`].flatMap((child) =>
        ['DescribeExecution', 'StopExecution', 'RedriveExecution'].map((action) => need(`states:${action}`, child)),
      ),
      ...['GetObject', 'PutObject', 'ListMultipartUploadParts', 'AbortMultipartUpload'].map((action) => need(`s3:${action}`, results)),
      ...['GenerateDataKey', 'Decrypt'].map((action) => need(`kms:${action}`, KEY_ARN, THROUGH_S3)),
    ];
  });

/** Recorded and implied, each once; ids and hashes in keys make no difference to a policy. */
export const needsOf = (
  cloud: Cloud,
  recorded: { readonly s3: readonly Seen[]; readonly services: readonly ServiceCall[]; readonly machines: readonly ServiceCall[] },
): Need[] => {
  const all = [
    ...recorded.s3.filter((seen) => callerOf(seen.headers) !== TEST).flatMap(s3Needs),
    ...[...recorded.services, ...recorded.machines].map((call): Need => ({ context: {}, ...call })),
    ...functionNeeds(cloud),
    ...machineNeeds(cloud),
  ];
  return [...new Map(all.map((need) => [JSON.stringify(need).replace(/[0-9a-f]{4,}|\d+/g, '0'), need])).values()];
};
