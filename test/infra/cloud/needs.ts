import { NOTIFY, WATCH } from '../../../infra/steps.ts';
import type { Seen } from '../../support/s3-server.ts';
import { callerOf, type ServiceCall } from './services.ts';
import { ACCOUNT, type Cloud, KEY_ARN, REGION } from './template.ts';

/** One thing that a role has to be allowed. */
export interface Need {
  /** A step, or the name of a machine. */
  readonly by: string;
  readonly action: string;
  readonly resource: string;
  readonly context: Readonly<Record<string, string>>;
}

const THROUGH_S3 = { 'kms:ViaService': `s3.${REGION}.amazonaws.com` };

/** What IAM asks for each request that S3 saw. A request that is not here fails the proof. */
const S3_ACTIONS: Readonly<Record<string, (versioned: boolean) => string>> = {
  GetObject: (versioned) => (versioned ? 's3:GetObjectVersion' : 's3:GetObject'),
  HeadObject: (versioned) => (versioned ? 's3:GetObjectVersion' : 's3:GetObject'),
  ListObjectsV2: () => 's3:ListBucket',
  PutObject: () => 's3:PutObject',
  CreateMultipartUpload: () => 's3:PutObject',
  UploadPart: () => 's3:PutObject',
  CompleteMultipartUpload: () => 's3:PutObject',
  AbortMultipartUpload: () => 's3:AbortMultipartUpload',
  DeleteObject: (versioned) => (versioned ? 's3:DeleteObjectVersion' : 's3:DeleteObject'),
};

/** What a request needs beyond its own action: keys, and what S3 asks for conditions and for missing keys. */
const s3Needs = (seen: Seen): Need[] => {
  const by = callerOf(seen.headers);
  const action = S3_ACTIONS[seen.operation]?.(seen.query.has('versionId'));
  if (action === undefined) throw new Error(`${by} calls ${seen.operation}, and nobody knows what that needs`);
  const bucket = `arn:aws:s3:::${seen.bucket}`;
  const object = `${bucket}/${seen.key}`;
  const creates = ['PutObject', 'CompleteMultipartUpload'].includes(seen.operation);
  const condition = seen.headers['if-none-match'];
  const match = seen.headers['if-match'];
  const own: Need = {
    by,
    action,
    resource: action === 's3:ListBucket' ? bucket : object,
    context: {
      ...(action === 's3:PutObject' ? { 's3:ObjectCreationOperation': String(creates) } : {}),
      ...(condition === undefined ? {} : { 's3:if-none-match': condition }),
      ...(match === undefined || !creates ? {} : { 's3:if-match': match }),
    },
  };
  const more: Need[] = [];
  const key = (use: string): void => void more.push({ by, action: `kms:${use}`, resource: KEY_ARN, context: THROUGH_S3 });
  if (action === 's3:PutObject') key('GenerateDataKey');
  if (action.startsWith('s3:GetObject') || seen.operation.includes('Upload')) key('Decrypt');
  if (creates && match !== undefined) more.push({ by, action: 's3:GetObject', resource: object, context: {} });
  if (creates) more.push({ by, action: 's3:AbortMultipartUpload', resource: object, context: {} });
  if (seen.status() === 404) more.push({ by, action: 's3:ListBucket', resource: bucket, context: {} });
  return [own, ...more];
};

/** What every function does without a call in its code. */
const functionNeeds = (cloud: Cloud, source: string): Need[] =>
  [...cloud.functions.values()].flatMap(({ step }) => {
    const logs = `arn:aws:logs:${REGION}:${ACCOUNT}:log-group:/lifeboat/example/${step === WATCH || step === NOTIFY ? step : source}:log-stream:2026/11/21/x`;
    return [
      { by: step, action: 'logs:CreateLogStream', resource: logs, context: {} },
      { by: step, action: 'logs:PutLogEvents', resource: logs, context: {} },
      { by: step, action: 'xray:PutTraceSegments', resource: '*', context: {} },
    ];
  });

/** Functions that run in the VPC ask for its interfaces. */
export const interfaceNeeds = (steps: readonly string[]): Need[] =>
  steps.flatMap((by) => [
    { by, action: 'ec2:CreateNetworkInterface', resource: `arn:aws:ec2:${REGION}:${ACCOUNT}:network-interface/eni-0`, context: {} },
    { by, action: 'ec2:DescribeNetworkInterfaces', resource: '*', context: {} },
    { by, action: 'ec2:DeleteNetworkInterface', resource: `arn:aws:ec2:${REGION}:${ACCOUNT}:network-interface/eni-0`, context: {} },
  ]);

/** What Step Functions does for a machine beside its states. */
const machineNeeds = (cloud: Cloud): Need[] =>
  [...cloud.machines.keys()].flatMap((arn) => {
    const by = arn.slice(arn.lastIndexOf(':') + 1);
    const execution = arn.replace(':stateMachine:', ':execution:');
    const always = [
      { by, action: 'logs:CreateLogDelivery', resource: '*', context: {} },
      { by, action: 'logs:PutResourcePolicy', resource: '*', context: {} },
      { by, action: 'xray:PutTraceSegments', resource: '*', context: {} },
    ];
    if (by.endsWith('-drill')) {
      const restore = execution.replace(/-drill$/, '-restore');
      return [
        ...always,
        { by, action: 'states:DescribeExecution', resource: `${restore}:x`, context: {} },
        { by, action: 'states:StopExecution', resource: `${restore}:x`, context: {} },
        {
          by,
          action: 'events:PutRule',
          resource: `arn:aws:events:${REGION}:${ACCOUNT}:rule/StepFunctionsGetEventsForStepFunctionsExecutionRule`,
          context: {},
        },
      ];
    }
    return [
      ...always,
      { by, action: 'states:StartExecution', resource: arn, context: {} },
      { by, action: 'states:DescribeExecution', resource: `${execution}:x`, context: {} },
      { by, action: 'states:StopExecution', resource: `${execution}:x`, context: {} },
      { by, action: 'kms:GenerateDataKey', resource: KEY_ARN, context: THROUGH_S3 },
      { by, action: 'kms:Decrypt', resource: KEY_ARN, context: THROUGH_S3 },
    ];
  });

/** Recorded and implied, each once; ids and hashes in keys make no difference to a policy. */
export const needsOf = (
  cloud: Cloud,
  source: string,
  recorded: { readonly s3: readonly Seen[]; readonly services: readonly ServiceCall[]; readonly machines: readonly ServiceCall[] },
): Need[] => {
  const all = [
    ...recorded.s3.filter((seen) => callerOf(seen.headers) !== '').flatMap(s3Needs),
    ...[...recorded.services, ...recorded.machines].map((call): Need => ({ ...call, context: {} })),
    ...functionNeeds(cloud, source),
    ...machineNeeds(cloud),
  ];
  return [...new Map(all.map((need) => [JSON.stringify(need).replace(/[0-9a-f]{4,}|\d+/g, '0'), need])).values()];
};
