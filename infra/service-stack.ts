import { Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { EventField, Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as InvokeFunction, SnsTopic } from 'aws-cdk-lib/aws-events-targets';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { Code } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { CfnScheduleGroup } from 'aws-cdk-lib/aws-scheduler';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { scheduleGroupName } from '../src/environment/names.ts';
import { WATCH } from '../src/environment/steps.ts';
import { alarm } from './alarms.ts';
import { dashboard } from './dashboard.ts';
import type { Deployable } from './deployable.ts';
import { stepFunction } from './functions.ts';
import { type Ground, trace, writeLogs } from './grants.ts';
import { acknowledge } from './nag.ts';
import { makeEndpoints, networkOf } from './network.ts';
import { copyRoles } from './rds-grants.ts';
import { watcherDuty } from './roles.ts';
import { serviceRole } from './service-role.ts';
import { machinesOf, webhooks } from './webhooks.ts';

const topicName = ({ name }: Deployable): string => `lifeboat-${name}`;
const queueName = ({ name }: Deployable): string => `lifeboat-${name}-undelivered`;

/** By name, so that no stack has to export it to another. */
export const topicArn = (deployable: Deployable): string =>
  `arn:aws:sns:${deployable.deployment.region}:${deployable.deployment.account}:${topicName(deployable)}`;
export const deadLetterArn = (deployable: Deployable): string =>
  `arn:aws:sqs:${deployable.deployment.region}:${deployable.deployment.account}:${queueName(deployable)}`;
export const runbookOf = ({ deployment }: Deployable): string => deployment.runbook ?? 'docs/runbook.md';

export interface ServiceStackProps extends StackProps {
  readonly deployable: Deployable;
  readonly ground: Ground;
  readonly key: IKey;
  readonly code: Code;
}

/** What all sources share: notifications, the watcher, the dashboard. */
export class ServiceStack extends Stack {
  constructor(scope: Construct, id: string, { deployable, ground, key, code, ...stack }: ServiceStackProps) {
    super(scope, id, { ...stack, description: `Lifeboat ${deployable.name}: notifications, watcher, dashboard.` });
    const { deployment } = deployable;
    new CfnScheduleGroup(this, 'Schedules', { name: scheduleGroupName(deployable.name) });
    const topic = notifications(this, deployable, key);
    const place = { environment: deployable.name, source: undefined, topic, runbook: runbookOf(deployable) };
    const queue = new Queue(this, 'Undelivered', {
      queueName: queueName(deployable),
      encryption: QueueEncryption.KMS,
      encryptionMasterKey: key,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
    });
    acknowledge(queue, 'AwsSolutions-SQS3', 'It is the queue of what could not be delivered.');
    alarm(this, place, {
      alarm: 'schedule-undelivered',
      meaning: 'A scheduled start could not be delivered.',
      metric: queue.metricApproximateNumberOfMessagesVisible({ statistic: 'Maximum', period: Duration.minutes(5) }),
      above: 0,
      missing: 'fine',
    });
    watcher(this, deployable, ground, key, code, place);
    if ((deployment.notifications?.webhooks ?? []).length > 0) webhooks(this, deployable, ground, key, code);
    dashboard(this, deployable);
    if (deployment.vpc?.endpoints === 'create')
      makeEndpoints(this, networkOf(this, deployment.vpc), { rds: usesRds(deployable), sts: usesSts(deployable) });
  }
}

const usesRds = ({ sources }: Deployable): boolean =>
  sources.some(({ entry, restore, scratch }) => [entry, restore, scratch].some((system) => system?.kind === 'rds'));

/** Copies in other accounts are made with roles of those, which STS gives. */
const usesSts = ({ sources }: Deployable): boolean =>
  sources.some(({ entry }) => entry.kind === 'rds' && copyRoles(entry.address).length > 0);

const notifications = (stack: Stack, deployable: Deployable, key: IKey): Topic => {
  const { name, deployment } = deployable;
  const topic = new Topic(stack, 'Topic', {
    topicName: topicName(deployable),
    displayName: `Lifeboat ${name}`,
    masterKey: key,
    enforceSSL: true,
  });
  // EventBridge's own permission comes with its target.
  topic.addToResourcePolicy(
    new PolicyStatement({
      sid: 'FromAlarms',
      principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
      actions: ['sns:Publish'],
      resources: [topic.topicArn],
      conditions: { StringEquals: { 'aws:SourceAccount': deployment.account } },
    }),
  );
  for (const address of deployment.notifications?.emails ?? []) topic.addSubscription(new EmailSubscription(address));
  const bad = ['FAILED', 'TIMED_OUT', 'ABORTED'];
  new Rule(stack, 'Outcomes', {
    description: `Lifeboat ${name}: tells how executions ended.`,
    eventPattern: {
      source: ['aws.states'],
      detailType: ['Step Functions Execution Status Change'],
      detail: {
        status: deployment.notifications?.alsoOnSuccess === true ? [...bad, 'SUCCEEDED'] : bad,
        stateMachineArn: [...machinesOf(deployable)],
      },
    },
    targets: [
      new SnsTopic(topic, {
        message: RuleTargetInput.fromText(
          `Lifeboat ${name}: ${EventField.fromPath('$.detail.status')} ${EventField.fromPath('$.detail.executionArn')}. What to do: ${runbookOf(deployable)}`,
        ),
      }),
    ],
  });
  return topic;
};

/** Looks at the catalogue every hour. That it looks is itself watched: its metrics' absence alarms, and so does its own silence. */
const watcher = (
  stack: Stack,
  { name, deployment }: Deployable,
  ground: Ground,
  key: IKey,
  code: Code,
  place: Parameters<typeof alarm>[1],
): void => {
  const logName = `/lifeboat/${name}/${WATCH}`;
  const logGroup = new LogGroup(stack, 'WatchLogs', {
    logGroupName: logName,
    retention: deployment.logDays,
    encryptionKey: key,
    removalPolicy: RemovalPolicy.DESTROY,
  });
  const watch = stepFunction(stack, {
    name: `lifeboat-${name}-${WATCH}`,
    step: WATCH,
    description: `Lifeboat ${name}: how old each backup and each proof is, as metrics.`,
    size: 'long',
    environment: name,
    code,
    role: serviceRole(stack, 'WatchRole', {
      name: `lifeboat-${name}-${WATCH}`,
      service: 'lambda',
      description: 'Lifeboat: reads the catalogue of every source, changes nothing.',
      account: deployment.account,
      statements: [
        ...watcherDuty(ground),
        writeLogs(`arn:aws:logs:${deployment.region}:${deployment.account}:log-group:${logName}:*`),
        trace(),
      ],
    }),
    logGroup,
    network: undefined,
    given: undefined,
    plainLogs: true,
  });
  new Rule(stack, 'Hourly', {
    description: `Lifeboat ${name}: calls the watcher.`,
    schedule: Schedule.rate(Duration.hours(1)),
    targets: [new InvokeFunction(watch)],
  });
  alarm(stack, place, {
    alarm: 'watcher-failed',
    meaning: 'The watcher fails: ages of backups and proofs are not known.',
    metric: watch.metricErrors({ statistic: 'Sum', period: Duration.hours(1) }),
    above: 0,
    periods: 2,
    missing: 'breaching',
  });
};
