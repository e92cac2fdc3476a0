import { Duration } from 'aws-cdk-lib';
import { Dashboard, GraphWidget, type IMetric, Metric, SingleValueWidget, TextWidget } from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import { type MachineName, machineName } from '../src/environment/names.ts';
import { watched } from './alarms.ts';
import type { Deployable } from './deployable.ts';
import { machineArn } from './machines.ts';

const WIDTH = 24;

/** One row a source: how old its newest backup and proof are, what its executions did, what was left behind. */
export const dashboard = (scope: Construct, { name, sources, deployment }: Deployable): Dashboard => {
  const ground = { environment: name, account: deployment.account, region: deployment.region };
  const made = new Dashboard(scope, 'Dashboard', { dashboardName: `lifeboat-${name}`, defaultInterval: Duration.days(7) });
  made.addWidgets(
    new TextWidget({
      markdown: `# Lifeboat ${name}\nAges come from the hourly watcher; a gap in them is an alarm.`,
      width: WIDTH,
      height: 2,
    }),
  );
  for (const source of sources) {
    const told = (metric: string, label: string): IMetric => watched(name, source.name, metric).with({ label });
    const ends = (machine: MachineName, metric: string): Metric =>
      new Metric({
        namespace: 'AWS/States',
        metricName: metric,
        dimensionsMap: { StateMachineArn: machineArn(ground, source.name, machine) },
        statistic: 'Sum',
        period: Duration.hours(1),
        label: `${machineName(name, source.name, machine)} ${metric.replace('Executions', '').toLowerCase()}`,
      });
    made.addWidgets(
      new SingleValueWidget({
        title: `${source.name}: seconds since`,
        metrics: [told('BackupAge', 'newest backup'), told('ProvenAge', 'newest proven backup')],
        width: 5,
        height: 5,
      }),
      new GraphWidget({
        title: `${source.name}: ages`,
        left: [told('BackupAge', 'backup'), told('ProvenAge', 'proof'), told('LeaseAge', 'lease')],
        width: 7,
        height: 5,
      }),
      new GraphWidget({
        title: `${source.name}: executions`,
        left: (['backup', 'restore', 'drill'] as const).flatMap((machine) => [
          ends(machine, 'ExecutionsSucceeded'),
          ends(machine, 'ExecutionsFailed'),
        ]),
        width: 7,
        height: 5,
      }),
      new GraphWidget({
        title: `${source.name}: left behind`,
        left: [told('Orphans', 'scratch targets'), told('UploadsLeft', 'unfinished uploads')],
        width: 5,
        height: 5,
      }),
    );
  }
  return made;
};
