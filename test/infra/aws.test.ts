import { randomUUID } from 'node:crypto';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  PutObjectLockConfigurationCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import {
  CreateStateMachineCommand,
  DeleteStateMachineCommand,
  DescribeExecutionCommand,
  SFNClient,
  StartExecutionCommand,
  TestStateCommand,
  ValidateStateMachineDefinitionCommand,
} from '@aws-sdk/client-sfn';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../../src/backup/types.ts';
import { type Machine, machineArnOf } from './cloud/deployed.ts';
import { SOURCE } from './cloud/everything.ts';
import { type Cloud, cloudOf } from './cloud/template.ts';
import { synthesized } from './support.ts';

/**
 * What only AWS can answer: `LIFEBOAT_TEST_AWS=true` with credentials and AWS_REGION, and LIFEBOAT_TEST_AWS_ROLE for the Maps, a
 * role that Step Functions may assume with s3:* on lifeboat-test-*, states:StartExecution and states:DescribeExecution. It costs
 * less than a cent and leaves nothing behind. docs/aws.md says what to do when one of these fails.
 */
const wanted = process.env['LIFEBOAT_TEST_AWS'] === 'true';
const roleArn = process.env['LIFEBOAT_TEST_AWS_ROLE'];
const because = (reason: string | undefined): string => (reason === undefined ? '' : `: skipped, ${reason}`);
const noAws = wanted ? undefined : 'LIFEBOAT_TEST_AWS is not true';
const noRole = noAws ?? (roleArn === undefined ? 'LIFEBOAT_TEST_AWS_ROLE is not set' : undefined);

/** Of an execution that does next to nothing. */
const EXECUTION_MAX_MS = 240_000;
const LOOK_MS = 3_000;

let cloud: Cloud;

const definitionOf = (machine: Machine): string => JSON.stringify(cloud.machines.get(machineArnOf(machine, SOURCE))?.definition);

interface Case {
  readonly machine: Machine;
  readonly state: string;
  readonly input?: Json;
  readonly variables?: Json;
  /** What a function answers. */
  readonly answer?: Json;
  readonly next: string;
}

const STARTED = { source: 'catalog-prod', backup: '20261121T013000Z-4f2a', lanes: [0, 1], concurrency: 2, already: false };

const CASES: readonly Case[] = [
  { machine: 'backup', state: 'StartBackup', input: {}, answer: STARTED, next: 'Already' },
  { machine: 'backup', state: 'Already', input: STARTED, next: 'DumpAtOneInstant' },
  { machine: 'backup', state: 'Already', input: { ...STARTED, already: true }, next: 'AlreadyThere' },
  { machine: 'backup', state: 'DumpFailed', variables: { failure: null }, next: 'SealBackup' },
  { machine: 'backup', state: 'DumpFailed', variables: { failure: { Error: 'SourceChanged', Cause: '{}' } }, next: 'AbortBackup' },
  { machine: 'backup', state: 'Sealed', variables: { resume: null, wait: 0 }, next: 'PruneBackups' },
  { machine: 'backup', state: 'Sealed', variables: { resume: 'cursor', wait: 30 }, next: 'SealLater' },
  { machine: 'restore', state: 'Planned', variables: { resume: null, stage: 'load', plan: { tasks: 0, next: null } }, next: 'StageEnded' },
  { machine: 'restore', state: 'Planned', variables: { resume: null, stage: 'audit', plan: { tasks: 3, next: null } }, next: 'AuditTasks' },
  { machine: 'restore', state: 'StageEnded', variables: { plan: { tasks: 3, next: null } }, next: 'ConcludeRestore' },
  { machine: 'restore', state: 'Verdict', variables: { drill: null, concluded: { verdict: 'FAILED' } }, next: 'NotEqual' },
  { machine: 'drill', state: 'Measurable', input: { scratch: false }, next: 'RecordProof' },
  { machine: 'drill', state: 'Audited', variables: { verdict: 'PASSED' }, next: 'NegativeControl' },
  { machine: 'drill', state: 'Verdict', variables: { proof: { verdict: 'NOT_MEASURED' } }, next: 'NotMeasured' },
];

describe.skipIf(noAws !== undefined)(`Step Functions itself${because(noAws)}`, () => {
  // A server that is given in place of AWS has no name beside its own.
  const sfn = new SFNClient({ disableHostPrefix: process.env['AWS_ENDPOINT_URL'] !== undefined });
  beforeAll(() => {
    cloud = cloudOf(synthesized());
  }, 60_000);
  afterAll(() => sfn.destroy());

  it.each<Machine>(['backup', 'restore', 'drill'])('takes the %s machine as it is deployed', async (machine) => {
    const { result, diagnostics } = await sfn.send(
      new ValidateStateMachineDefinitionCommand({ definition: definitionOf(machine), severity: 'WARNING' }),
    );
    expect({ result, diagnostics }).toEqual({ result: 'OK', diagnostics: [] });
  });

  it.each(CASES)('goes from $state of $machine to $next', async ({ machine, state, input = {}, variables, answer, next }) => {
    const tested = await sfn.send(
      new TestStateCommand({
        definition: definitionOf(machine),
        stateName: state,
        input: JSON.stringify(input),
        context: JSON.stringify({ Execution: { Id: 'arn:aws:states:x', StartTime: '2026-11-21T01:30:00Z' } }),
        ...(variables === undefined ? {} : { variables: JSON.stringify(variables) }),
        ...(answer === undefined
          ? {}
          : { mock: { result: JSON.stringify({ Payload: answer, StatusCode: 200 }), fieldValidationMode: 'NONE' } }),
      }),
    );
    expect(tested).toMatchObject({ status: 'SUCCEEDED', nextState: next });
    if (answer !== undefined) expect(JSON.parse(tested.output ?? '')).toEqual(answer);
  });
});

describe.skipIf(noRole !== undefined)(`a Distributed Map of Step Functions itself${because(noRole)}`, () => {
  const sfn = new SFNClient();
  const s3 = new S3Client();
  const name = `lifeboat-test-${randomUUID().slice(0, 8)}`;

  /** With a default retention, as a store under Object Lock. */
  beforeAll(async () => {
    await s3.send(new CreateBucketCommand({ Bucket: name, ObjectLockEnabledForBucket: true, ...location(await s3.config.region()) }));
    const Rule = { DefaultRetention: { Mode: 'GOVERNANCE', Days: 1 } } as const;
    await s3.send(new PutObjectLockConfigurationCommand({ Bucket: name, ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', Rule } }));
  }, 60_000);

  afterAll(async () => {
    const { Versions = [], DeleteMarkers = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket: name }));
    for (const { Key, VersionId } of [...Versions, ...DeleteMarkers])
      await s3.send(new DeleteObjectCommand({ Bucket: name, Key, VersionId, BypassGovernanceRetention: true }));
    await s3.send(new DeleteBucketCommand({ Bucket: name }));
    s3.destroy();
    sfn.destroy();
  }, 60_000);

  const run = async (plan: string, more: Readonly<Record<string, Json>>): Promise<{ status: string; error: string; cause: string }> => {
    const Key = `plan-${randomUUID()}.jsonl`;
    await s3.send(new PutObjectCommand({ Bucket: name, Key, Body: Buffer.from(plan), ChecksumAlgorithm: 'CRC32' }));
    const { stateMachineArn } = await sfn.send(
      new CreateStateMachineCommand({ name: `${name}-${randomUUID().slice(0, 8)}`, roleArn, definition: mapOver(name, Key, more) }),
    );
    try {
      const { executionArn } = await sfn.send(new StartExecutionCommand({ stateMachineArn }));
      for (const end = Date.now() + EXECUTION_MAX_MS; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, LOOK_MS))) {
        const { status = '', error = '', cause = '' } = await sfn.send(new DescribeExecutionCommand({ executionArn }));
        if (status !== 'RUNNING') return { status, error, cause };
      }
      throw new Error('it did not end');
    } finally {
      await sfn.send(new DeleteStateMachineCommand({ stateMachineArn }));
    }
  };

  it(
    'reads a plan without lines',
    async () => {
      expect(await run('', {})).toEqual({ status: 'SUCCEEDED', error: '', cause: '' });
    },
    EXECUTION_MAX_MS + 30_000,
  );

  it(
    'writes its results into a bucket with Object Lock',
    async () => {
      const ResultWriter = { Resource: 'arn:aws:states:::s3:putObject', Arguments: { Bucket: name, Prefix: 'results' } };
      expect(await run('{"task":0}\n{"task":1}\n', { ResultWriter })).toEqual({ status: 'SUCCEEDED', error: '', cause: '' });
    },
    EXECUTION_MAX_MS + 30_000,
  );
});

const location = (region: string) =>
  region === 'us-east-1' ? {} : { CreateBucketConfiguration: { LocationConstraint: region as 'eu-central-1' } };

const mapOver = (Bucket: string, Key: string, more: Readonly<Record<string, Json>>): string =>
  JSON.stringify({
    QueryLanguage: 'JSONata',
    StartAt: 'Each',
    States: {
      Each: {
        Type: 'Map',
        ItemReader: { Resource: 'arn:aws:states:::s3:getObject', ReaderConfig: { InputType: 'JSONL' }, Arguments: { Bucket, Key } },
        ItemProcessor: {
          ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
          StartAt: 'Done',
          States: { Done: { Type: 'Succeed' } },
        },
        ...more,
        End: true,
      },
    },
  });
