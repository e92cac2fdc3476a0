import { Duration } from 'aws-cdk-lib';
import { Alarm, ComparisonOperator, type IMetric, MathExpression, Metric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { IStateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { SHRUNK_PERCENT } from '../src/backup/shrink.ts';
import { alarmName, METRICS } from '../src/environment/names.ts';
import { allowedAge } from './ages.ts';
import type { DeployableSource } from './deployable.ts';

const HOUR = Duration.hours(1);

/** The watcher looks once an hour; it may be late once. */
const WATCHES_MISSED = 3;

/** The backup machine's own timeout and an hour. */
const LEASE_MAX_SECONDS = 43_200 + 3600;

export interface AlarmPlace {
  readonly environment: string;
  readonly source: string | undefined;
  readonly topic: ITopic;
  /** Where docs/runbook.md is read. */
  readonly runbook: string;
}

interface AlarmProps {
  /** Also the section of docs/runbook.md. */
  readonly alarm: string;
  readonly meaning: string;
  readonly metric: IMetric;
  readonly above: number;
  readonly periods?: number;
  readonly missing: 'breaching' | 'fine';
}

/** Every alarm tells the topic, when it begins and when it is over, and names its section of the runbook. */
export const alarm = (scope: Construct, place: AlarmPlace, props: AlarmProps): Alarm => {
  const made = new Alarm(scope, `Alarm-${props.alarm}`, {
    alarmName: alarmName(place.environment, place.source, props.alarm),
    alarmDescription: `${props.meaning} What to do: ${place.runbook}#${props.alarm}`,
    metric: props.metric,
    threshold: props.above,
    comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
    evaluationPeriods: props.periods ?? 1,
    treatMissingData: props.missing === 'breaching' ? TreatMissingData.BREACHING : TreatMissingData.NOT_BREACHING,
  });
  made.addAlarmAction(new SnsAction(place.topic));
  made.addOkAction(new SnsAction(place.topic));
  return made;
};

export const watched = (environment: string, source: string, name: string): Metric =>
  new Metric({
    namespace: METRICS,
    metricName: name,
    dimensionsMap: { Environment: environment, Source: source },
    statistic: 'Maximum',
    period: HOUR,
  });

/** However an execution ended badly. */
const badEnds = (machine: IStateMachine): MathExpression =>
  new MathExpression({
    expression: 'failed + timedOut + aborted',
    label: 'executions that ended badly',
    period: Duration.minutes(5),
    usingMetrics: {
      failed: machine.metricFailed({ statistic: 'Sum' }),
      timedOut: machine.metricTimedOut({ statistic: 'Sum' }),
      aborted: machine.metricAborted({ statistic: 'Sum' }),
    },
  });

const errorsOf = (step: IFunction): Metric => step.metricErrors({ statistic: 'Sum', period: HOUR });

export interface Watched {
  readonly backup: IStateMachine;
  readonly drill: IStateMachine;
  readonly prune: IFunction;
  readonly janitor: IFunction;
}

export const sourceAlarms = (scope: Construct, place: AlarmPlace, { name, entry }: DeployableSource, parts: Watched): void => {
  const metric = (metricName: string): Metric => watched(place.environment, name, metricName);
  const make = (props: AlarmProps): Alarm => alarm(scope, place, props);
  make({ alarm: 'backup-failed', meaning: `A backup of ${name} failed.`, metric: badEnds(parts.backup), above: 0, missing: 'fine' });
  const backupAge = allowedAge(entry.schedule, entry.drill?.goals?.rpoSeconds);
  if (backupAge !== undefined)
    make({
      alarm: 'backup-missing',
      meaning: `The newest backup of ${name} is older than ${spoken(backupAge)}, or there is none, or nobody looks.`,
      metric: metric('BackupAge'),
      above: backupAge,
      periods: WATCHES_MISSED,
      missing: 'breaching',
    });
  if (entry.drill !== undefined) {
    make({
      alarm: 'drill-failed',
      meaning: `A drill of ${name} failed or measured nothing.`,
      metric: badEnds(parts.drill),
      above: 0,
      missing: 'fine',
    });
    const provenAge = allowedAge(entry.drill.schedule);
    if (provenAge !== undefined) {
      const above = provenAge + (backupAge ?? 0);
      make({
        alarm: 'proof-too-old',
        meaning: `The newest backup of ${name} that was proven to restore is older than ${spoken(above)}, or none ever was.`,
        metric: metric('ProvenAge'),
        above,
        periods: WATCHES_MISSED,
        missing: 'breaching',
      });
    }
  }
  make({
    alarm: 'backup-shrunk',
    meaning: `The newest backup of ${name} has less than ${100 - SHRUNK_PERCENT} % of the rows or bytes of the one before.`,
    metric: new MathExpression({
      expression: 'MAX([rows, bytes])',
      label: 'dropped, in percent',
      period: HOUR,
      usingMetrics: { rows: metric('RowsDropped'), bytes: metric('BytesDropped') },
    }),
    above: SHRUNK_PERCENT,
    missing: 'fine',
  });
  make({
    alarm: 'lease-stuck',
    meaning: `The lease of ${name} is held for longer than any backup may run: new backups are refused.`,
    metric: metric('LeaseAge'),
    above: LEASE_MAX_SECONDS,
    missing: 'fine',
  });
  make({
    alarm: 'orphans-left',
    meaning: `Drills of ${name} left scratch targets that the janitor could not remove.`,
    metric: metric('Orphans'),
    above: 0,
    periods: WATCHES_MISSED,
    missing: 'fine',
  });
  make({
    alarm: 'uploads-left',
    meaning: `Unfinished uploads of ${name} are older than the rule that removes them.`,
    metric: metric('UploadsLeft'),
    above: 0,
    periods: WATCHES_MISSED,
    missing: 'fine',
  });
  make({
    alarm: 'prune-failed',
    meaning: `Old backups of ${name} are not pruned.`,
    metric: errorsOf(parts.prune),
    above: 0,
    missing: 'fine',
  });
  make({
    alarm: 'janitor-failed',
    meaning: `The janitor of ${name} fails.`,
    metric: errorsOf(parts.janitor),
    above: 0,
    periods: 2,
    missing: 'fine',
  });
};

const spoken = (seconds: number): string => {
  const hours = Math.round(seconds / 3600);
  return hours <= 72 ? `${hours} h` : `${Math.round(hours / 24)} days`;
};
