import { CfnSchedule } from 'aws-cdk-lib/aws-scheduler';
import type { Construct } from 'constructs';
import { type MachineName, placeholderOf, scheduleGroupName, scheduleName } from '../src/environment/names.ts';
import type { DeployableSource } from './deployable.ts';

/** Starts are spread over as many minutes, so that sources do not all begin in the same second. */
const WINDOW_MINUTES = 15;

/** A start that cannot be delivered is tried for an hour, then goes to the queue, which alarms. */
const RETRY = { maximumEventAgeInSeconds: 3600, maximumRetryAttempts: 10 };

export interface ScheduleProps {
  readonly environment: string;
  readonly source: DeployableSource;
  readonly machine: Extract<MachineName, 'backup' | 'drill'>;
  readonly expression: string;
  /** What is started. */
  readonly arn: string;
  readonly roleArn: string;
  readonly deadLetterArn: string;
}

/** A backup is named by the time it was due, whenever it starts: Scheduler delivers at least once. */
const INPUTS = {
  backup: (source: string) => ({ source, scheduledTime: '<aws.scheduler.scheduled-time>', schedule: '<aws.scheduler.schedule-arn>' }),
  drill: (source: string) => ({ source }),
};

export const schedule = (scope: Construct, props: ScheduleProps): CfnSchedule =>
  new CfnSchedule(scope, `${placeholderOf(props.machine)}Schedule`, {
    name: scheduleName(props.source.name, props.machine),
    groupName: scheduleGroupName(props.environment),
    description: `Lifeboat ${props.environment}: ${props.machine} of ${props.source.name}.`,
    scheduleExpression: props.expression,
    scheduleExpressionTimezone: props.source.entry.timezone ?? 'UTC',
    flexibleTimeWindow: { mode: 'FLEXIBLE', maximumWindowInMinutes: WINDOW_MINUTES },
    target: {
      arn: props.arn,
      roleArn: props.roleArn,
      input: JSON.stringify(INPUTS[props.machine](props.source.name)),
      retryPolicy: RETRY,
      deadLetterConfig: { arn: props.deadLetterArn },
    },
  });
