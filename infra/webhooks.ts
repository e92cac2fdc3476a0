import { RemovalPolicy, type Stack } from 'aws-cdk-lib';
import { Rule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as InvokeFunction } from 'aws-cdk-lib/aws-events-targets';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { Code } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { NOTIFY } from '../src/environment/steps.ts';
import type { Deployable } from './deployable.ts';
import { stepFunction } from './functions.ts';
import { type Ground, readSecrets, trace, writeLogs } from './grants.ts';
import { serviceRole } from './service-role.ts';

/** Machines of every source, as an event pattern has them. */
export const machinesOf = ({ name, sources, deployment }: Deployable): readonly { readonly prefix: string }[] =>
  sources.map((source) => ({
    prefix: `arn:aws:states:${deployment.region}:${deployment.account}:stateMachine:${name}-${source.name}-`,
  }));

/** Tells the webhooks of the environment; their URLs are secrets. Outside of any VPC, since they are on the internet. */
export const webhooks = (stack: Stack, deployable: Deployable, ground: Ground, key: IKey, code: Code): void => {
  const { name, deployment } = deployable;
  const logName = `/lifeboat/${name}/${NOTIFY}`;
  const secrets = (deployment.notifications?.webhooks ?? []).map(({ url }) => url.replace('secretsmanager:', ''));
  const notify = stepFunction(stack, {
    name: `lifeboat-${name}-${NOTIFY}`,
    step: NOTIFY,
    description: `Lifeboat ${name}: tells webhooks how executions ended and which alarms went off.`,
    size: 'small',
    environment: name,
    code,
    role: serviceRole(stack, 'NotifyRole', {
      name: `lifeboat-${name}-${NOTIFY}`,
      service: 'lambda',
      description: 'Lifeboat: reads the URLs of webhooks, nothing else.',
      account: deployment.account,
      statements: [
        ...readSecrets(ground, [...new Set(secrets)]),
        writeLogs(`arn:aws:logs:${deployment.region}:${deployment.account}:log-group:${logName}:*`),
        trace(),
      ],
    }),
    logGroup: new LogGroup(stack, 'NotifyLogs', {
      logGroupName: logName,
      retention: deployment.logDays,
      encryptionKey: key,
      removalPolicy: RemovalPolicy.DESTROY,
    }),
    network: undefined,
    given: undefined,
  });
  const targets = [new InvokeFunction(notify, { retryAttempts: 5 })];
  new Rule(stack, 'TellOfExecutions', {
    description: `Lifeboat ${name}: tells webhooks how executions ended.`,
    eventPattern: {
      source: ['aws.states'],
      detailType: ['Step Functions Execution Status Change'],
      detail: { status: ['SUCCEEDED', 'FAILED', 'TIMED_OUT', 'ABORTED'], stateMachineArn: [...machinesOf(deployable)] },
    },
    targets,
  });
  new Rule(stack, 'TellOfAlarms', {
    description: `Lifeboat ${name}: tells webhooks which alarms went off.`,
    eventPattern: {
      source: ['aws.cloudwatch'],
      detailType: ['CloudWatch Alarm State Change'],
      detail: { alarmName: [{ prefix: `lifeboat-${name}-` }], state: { value: ['ALARM', 'OK'] } },
    },
    targets,
  });
};
