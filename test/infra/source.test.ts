import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { STEPS } from '../../src/environment/steps.ts';
import { exampleWith, type Resource, resourcesOf, sourceStack, synthesized } from './support.ts';

const whole = synthesized();
const stack = whole.template(sourceStack(whole, 'catalog-prod'));

const named = (type: string, field: string, name: string): Resource => {
  const found = resourcesOf(stack, type).find(({ Properties }) => Properties[field] === name);
  if (found === undefined) throw new Error(`there is no ${type} called ${name}`);
  return found;
};

describe('the stack of a source', () => {
  it('has room for more resources', () => {
    expect(Object.keys(stack.toJSON()['Resources']).length).toBeLessThan(150);
  });

  it('has three machines, whose names and comments read well in the console', () => {
    for (const machine of ['backup', 'restore', 'drill'])
      stack.hasResourceProperties('AWS::StepFunctions::StateMachine', {
        StateMachineName: `example-catalog-prod-${machine}`,
        TracingConfiguration: { Enabled: true },
        LoggingConfiguration: { Level: 'ALL', IncludeExecutionData: false },
      });
    stack.resourceCountIs('AWS::StepFunctions::StateMachine', 3);
    stack.resourceCountIs('AWS::StepFunctions::StateMachineVersion', 3);
    stack.resourceCountIs('AWS::StepFunctions::StateMachineAlias', 3);
  });

  it('hands each machine its source and its functions by substitution', () => {
    const { Properties } = named('AWS::StepFunctions::StateMachine', 'StateMachineName', 'example-catalog-prod-drill');
    expect(Properties['DefinitionSubstitutions']).toMatchObject({
      Source: 'catalog-prod',
      RestoreMachine: 'arn:aws:states:eu-central-1:123456789012:stateMachine:example-catalog-prod-restore',
      ChooseBackup: 'arn:aws:lambda:eu-central-1:123456789012:function:example-catalog-prod-choose-backup',
    });
  });

  it('has a function a step, on arm64 with Node 24, in one asset', () => {
    const functions = resourcesOf(stack, 'AWS::Lambda::Function');
    expect(functions.map(({ Properties }) => Properties['Handler']).sort()).toEqual(
      Object.keys(STEPS)
        .map((step) => `${step}.handler`)
        .sort(),
    );
    expect(new Set(functions.map(({ Properties }) => JSON.stringify(Properties['Code']))).size).toBe(1);
    stack.allResourcesProperties('AWS::Lambda::Function', {
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      TracingConfig: { Mode: 'Active' },
      LoggingConfig: { LogFormat: 'JSON' },
      Environment: { Variables: { LIFEBOAT_ENVIRONMENT_FILE: '/var/task/example.json', NODE_EXTRA_CA_CERTS: '/var/runtime/ca-cert.pem' } },
    });
  });

  it('gives a function what its step needs, or what the environment says', () => {
    expect(named('AWS::Lambda::Function', 'FunctionName', 'example-catalog-prod-dump-task').Properties).toMatchObject({
      MemorySize: 1769,
      Timeout: 900,
      EphemeralStorage: { Size: 2048 },
    });
    const larger = synthesized(
      exampleWith((raw) => Object.assign(raw.deployment, { functions: { 'load-task': { memoryMb: 4096, temporaryMb: 10_240 } } })),
    );
    larger.template(sourceStack(larger, 'catalog-prod')).hasResourceProperties('AWS::Lambda::Function', {
      FunctionName: 'example-catalog-prod-load-task',
      MemorySize: 4096,
      EphemeralStorage: { Size: 10_240 },
    });
  });

  it('reserves nothing of the account, unless the environment says so', () => {
    for (const { Properties } of resourcesOf(stack, 'AWS::Lambda::Function'))
      expect(Properties['ReservedConcurrentExecutions']).toBeUndefined();
    const reserving = synthesized(
      exampleWith((raw) => Object.assign(raw.deployment, { functions: { 'dump-task': { reservedConcurrency: 8 } } })),
    );
    reserving.template(sourceStack(reserving, 'catalog-prod')).hasResourceProperties('AWS::Lambda::Function', {
      FunctionName: 'example-catalog-prod-dump-task',
      ReservedConcurrentExecutions: 8,
    });
  });

  it('runs in the VPC what reaches a database, and nothing else', () => {
    const inside = resourcesOf(stack, 'AWS::Lambda::Function').filter(({ Properties }) => Properties['VpcConfig'] !== undefined);
    const steps = inside.map(({ Properties }) => String(Properties['Handler']).replace('.handler', ''));
    expect(steps).toContain('dump-task');
    for (const outside of ['seal-backup', 'prune-backups', 'record-proof', 'conclude-restore', 'end-backup'])
      expect(steps).not.toContain(outside);
    expect(inside[0]?.Properties['VpcConfig']).toEqual({
      SecurityGroupIds: ['sg-0123456789abcdef0'],
      SubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
    });
  });

  it('starts backups and drills when they are due, within a window', () => {
    stack.hasResourceProperties('AWS::Scheduler::Schedule', {
      Name: 'catalog-prod-backup',
      GroupName: 'lifeboat-example',
      ScheduleExpression: 'cron(30 1 * * ? *)',
      ScheduleExpressionTimezone: 'Europe/Berlin',
      FlexibleTimeWindow: { Mode: 'FLEXIBLE', MaximumWindowInMinutes: 15 },
      Target: {
        Arn: 'arn:aws:states:eu-central-1:123456789012:stateMachine:example-catalog-prod-backup:live',
        Input: JSON.stringify({
          source: 'catalog-prod',
          scheduledTime: '<aws.scheduler.scheduled-time>',
          schedule: '<aws.scheduler.schedule-arn>',
        }),
        DeadLetterConfig: { Arn: 'arn:aws:sqs:eu-central-1:123456789012:lifeboat-example-undelivered' },
        RetryPolicy: { MaximumRetryAttempts: 10 },
      },
    });
    stack.hasResourceProperties('AWS::Scheduler::Schedule', { Name: 'catalog-prod-drill', Target: { Input: '{"source":"catalog-prod"}' } });
  });

  it('has no schedule for what the environment does not schedule', () => {
    const bare = synthesized(
      exampleWith((raw) => {
        Reflect.deleteProperty(raw.sources['catalog-prod'], 'schedule');
        Reflect.deleteProperty(raw.sources['catalog-prod'], 'drill');
      }),
    );
    const other = bare.template(sourceStack(bare, 'catalog-prod'));
    other.resourceCountIs('AWS::Scheduler::Schedule', 0);
    expect(resourcesOf(other, 'AWS::CloudWatch::Alarm').map(({ Properties }) => Properties['AlarmName'])).not.toContain(
      'lifeboat-example-catalog-prod-backup-missing',
    );
  });

  it('calls the janitor when an execution ended badly, and every hour', () => {
    const input = JSON.stringify({ source: 'catalog-prod' });
    stack.hasResourceProperties('AWS::Events::Rule', {
      EventPattern: {
        source: ['aws.states'],
        detail: {
          status: ['FAILED', 'TIMED_OUT', 'ABORTED'],
          stateMachineArn: Match.arrayWith(['arn:aws:states:eu-central-1:123456789012:stateMachine:example-catalog-prod-backup']),
        },
      },
      Targets: [Match.objectLike({ Input: input })],
    });
    stack.hasResourceProperties('AWS::Events::Rule', { ScheduleExpression: 'rate(1 hour)', Targets: [Match.objectLike({ Input: input })] });
  });

  it('alarms when there is no sign of a backup or of a proof', () => {
    const missing = (alarm: string, metric: string, threshold: number) =>
      stack.hasResourceProperties('AWS::CloudWatch::Alarm', {
        AlarmName: `lifeboat-example-catalog-prod-${alarm}`,
        Namespace: 'Lifeboat',
        MetricName: metric,
        Dimensions: Match.arrayWith([{ Name: 'Source', Value: 'catalog-prod' }]),
        Threshold: threshold,
        TreatMissingData: 'breaching',
        AlarmActions: ['arn:aws:sns:eu-central-1:123456789012:lifeboat-example'],
      });
    missing('backup-missing', 'BackupAge', 90_000);
    missing('proof-too-old', 'ProvenAge', 7 * 24 * 3600 + 2 * 3600 + 90_000);
  });

  it('keeps logs encrypted, and not for ever', () => {
    stack.allResourcesProperties('AWS::Logs::LogGroup', { RetentionInDays: 90, KmsKeyId: Match.anyValue() });
  });
});
