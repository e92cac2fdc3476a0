import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { deployableOf, exampleWith, resourcesOf, synthesized } from './support.ts';

const whole = synthesized();
const stack = whole.template(whole.service);

describe('the service stack', () => {
  it('tells people how executions ended', () => {
    stack.hasResourceProperties('AWS::SNS::Subscription', { Protocol: 'email', Endpoint: 'data-platform@example.com' });
    stack.hasResourceProperties('AWS::SNS::Topic', { TopicName: 'lifeboat-example', KmsMasterKeyId: Match.anyValue() });
    stack.hasResourceProperties('AWS::Events::Rule', {
      EventPattern: {
        detail: {
          status: ['FAILED', 'TIMED_OUT', 'ABORTED'],
          stateMachineArn: Match.arrayWith([{ prefix: 'arn:aws:states:eu-central-1:123456789012:stateMachine:example-catalog-prod-' }]),
        },
      },
    });
  });

  it('tells of success as well when it is asked to', () => {
    const chatty = synthesized(exampleWith((raw) => Object.assign(raw.deployment.notifications, { alsoOnSuccess: true })));
    chatty.template(chatty.service).hasResourceProperties('AWS::Events::Rule', {
      EventPattern: { detail: { status: ['FAILED', 'TIMED_OUT', 'ABORTED', 'SUCCEEDED'] } },
    });
  });

  it('tells webhooks of executions and alarms, with nothing but the right to their URLs', () => {
    stack.hasResourceProperties('AWS::Lambda::Function', { FunctionName: 'lifeboat-example-notify', VpcConfig: Match.absent() });
    stack.hasResourceProperties('AWS::Events::Rule', {
      EventPattern: { detail: { alarmName: [{ prefix: 'lifeboat-example-' }], state: { value: ['ALARM', 'OK'] } } },
    });
    stack.hasResourceProperties('AWS::IAM::Role', {
      RoleName: 'lifeboat-example-notify',
      Policies: [
        {
          PolicyDocument: {
            Statement: [
              Match.objectLike({ Sid: 'ReadSecrets' }),
              Match.objectLike({ Sid: 'WriteLogs' }),
              Match.objectLike({ Sid: 'Trace' }),
            ],
          },
        },
      ],
    });
    const silent = synthesized(exampleWith((raw) => Reflect.deleteProperty(raw.deployment.notifications, 'webhooks')));
    expect(resourcesOf(silent.template(silent.service), 'AWS::Lambda::Function')).toHaveLength(1);
  });

  it('looks every hour, and alarms when nobody looks', () => {
    stack.hasResourceProperties('AWS::Lambda::Function', {
      FunctionName: 'lifeboat-example-watch',
      Handler: 'watch.handler',
      LoggingConfig: { LogFormat: 'Text' },
    });
    stack.hasResourceProperties('AWS::Events::Rule', { ScheduleExpression: 'rate(1 hour)' });
    stack.hasResourceProperties('AWS::CloudWatch::Alarm', { AlarmName: 'lifeboat-example-watcher-failed', TreatMissingData: 'breaching' });
  });

  it('keeps starts that could not be delivered, and alarms', () => {
    stack.hasResourceProperties('AWS::SQS::Queue', { QueueName: 'lifeboat-example-undelivered', KmsMasterKeyId: Match.anyValue() });
    stack.hasResourceProperties('AWS::CloudWatch::Alarm', { AlarmName: 'lifeboat-example-schedule-undelivered' });
  });

  it('makes the ways out of the VPC only when it is asked to', () => {
    // To S3, Secrets Manager, Step Functions, and RDS, because a source is of that kind.
    stack.resourceCountIs('AWS::EC2::VPCEndpoint', 4);
    const present = synthesized(exampleWith((raw) => Object.assign(raw.deployment.vpc, { endpoints: 'present' })));
    present.template(present.service).resourceCountIs('AWS::EC2::VPCEndpoint', 0);
  });

  it('draws a dashboard with every source', () => {
    const [dashboard] = resourcesOf(stack, 'AWS::CloudWatch::Dashboard');
    expect(dashboard?.Properties['DashboardName']).toBe('lifeboat-example');
    const body = JSON.stringify(dashboard?.Properties['DashboardBody']);
    for (const { name } of deployableOf(exampleWith()).sources)
      for (const widget of ['seconds since', 'ages', 'executions', 'left behind']) expect(body).toContain(`${name}: ${widget}`);
    for (const metric of ['BackupAge', 'ProvenAge', 'LeaseAge', 'Orphans', 'UploadsLeft']) expect(body).toContain(metric);
  });
});
