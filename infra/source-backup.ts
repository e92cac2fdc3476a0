import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as InvokeFunction } from 'aws-cdk-lib/aws-events-targets';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { Code, Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { ALIAS, functionLogs, functionName, MACHINES, type MachineName, machineLogs, roleName } from '../src/environment/names.ts';
import { PURPOSES, type Purpose, STEPS } from '../src/environment/steps.ts';
import { type AlarmPlace, sourceAlarms } from './alarms.ts';
import type { Deployable, DeployableSource } from './deployable.ts';
import { stepFunction } from './functions.ts';
import { type Ground, joinVpc, trace, writeLogs } from './grants.ts';
import { kindGrants } from './kinds.ts';
import { type Deployed, machineArn, stateMachine } from './machines.ts';
import type { Network } from './network.ts';
import { auditRestoreTesting } from './restore-testing.ts';
import { DUTIES } from './roles.ts';
import { schedule } from './schedules.ts';
import { serviceRole } from './service-role.ts';

/** Purposes whose functions reach a database; the others stay outside of a VPC, where they need no way to S3. */
const REACHING: ReadonlySet<Purpose> = new Set(['planner', 'holder', 'dumper', 'restorer', 'auditor', 'driller', 'janitor']);

export interface SourceBackupProps {
  readonly deployable: Deployable;
  readonly source: DeployableSource;
  readonly ground: Ground;
  readonly key: IKey;
  readonly code: Code;
  readonly network: Network | undefined;
  readonly alarms: AlarmPlace;
  readonly deadLetterArn: string;
}

/** All that belongs to one source: its steps, machines, schedules and alarms, with roles of their own. */
export class SourceBackup extends Construct {
  readonly machines: Readonly<Record<MachineName, Deployed>>;

  constructor(scope: Construct, id: string, props: SourceBackupProps) {
    super(scope, id);
    const functions = stepsOf(this, props);
    const logGroup = logs(this, 'MachineLogs', machineLogs(props.ground.environment, props.source.name), props);
    const made = (machine: MachineName): Deployed =>
      stateMachine(this, { ground: props.ground, source: props.source.name, machine, logGroup });
    this.machines = { backup: made('backup'), restore: made('restore'), drill: made('drill') };
    const janitor = named(functions, 'janitor');
    callJanitor(this, props, janitor);
    schedules(this, props, this.machines);
    auditRestoreTesting(this, props.ground, props.source, this.machines.restore);
    sourceAlarms(this, props.alarms, props.source, {
      backup: this.machines.backup.machine,
      drill: this.machines.drill.machine,
      prune: named(functions, 'prune-backups'),
      janitor,
    });
  }
}

const named = (functions: ReadonlyMap<string, LambdaFunction>, step: string): LambdaFunction => {
  const found = functions.get(step);
  if (found === undefined) throw new Error(`there is no step ${step}`);
  return found;
};

const logs = (scope: Construct, id: string, name: string, { deployable, key }: SourceBackupProps): LogGroup =>
  new LogGroup(scope, id, {
    logGroupName: name,
    retention: deployable.deployment.logDays,
    encryptionKey: key,
    removalPolicy: RemovalPolicy.DESTROY,
  });

/** One role a purpose; one log group for all steps, so that a run is read in one place. */
const stepsOf = (scope: Construct, props: SourceBackupProps): ReadonlyMap<string, LambdaFunction> => {
  const { deployable, source, ground, code } = props;
  const name = functionLogs(ground.environment, source.name);
  const logGroup = logs(scope, 'StepLogs', name, props);
  const logArn = `arn:aws:logs:${ground.region}:${ground.account}:log-group:${name}:*`;
  const roles = new Map(
    PURPOSES.map((purpose) => [
      purpose,
      serviceRole(scope, `Role-${purpose}`, {
        name: roleName(ground.environment, source.name, purpose),
        service: 'lambda',
        description: `Lifeboat: what the ${purpose} steps of ${source.name} may do.`,
        account: ground.account,
        statements: [
          ...DUTIES[purpose](ground, source),
          ...kindGrants(ground, source, purpose),
          writeLogs(logArn),
          trace(),
          ...(props.network !== undefined && REACHING.has(purpose) ? [joinVpc()] : []),
        ],
      }),
    ]),
  );
  return new Map(
    Object.entries(STEPS).map(([step, { purpose, size, description }]) => {
      const role = roles.get(purpose);
      if (role === undefined) throw new Error(`there is no role for ${purpose}`);
      const made = stepFunction(scope, {
        name: functionName(ground.environment, source.name, step),
        step,
        description: `Lifeboat ${source.name}: ${description}`,
        size,
        environment: deployable.name,
        code,
        role,
        logGroup,
        network: REACHING.has(purpose) ? props.network : undefined,
        given: deployable.deployment.functions?.[step],
      });
      return [step, made];
    }),
  );
};

/** Catch sees neither a timeout of the whole execution nor a stop: so from outside, at once and every hour. */
const callJanitor = (scope: Construct, { ground, source }: SourceBackupProps, janitor: LambdaFunction): void => {
  const target = new InvokeFunction(janitor, {
    event: RuleTargetInput.fromObject({ source: source.name }),
    retryAttempts: 2,
    maxEventAge: Duration.hours(1),
  });
  new Rule(scope, 'BadEnd', {
    description: `Lifeboat: tidies up after executions of ${source.name} that ended badly.`,
    eventPattern: {
      source: ['aws.states'],
      detailType: ['Step Functions Execution Status Change'],
      detail: {
        status: ['FAILED', 'TIMED_OUT', 'ABORTED'],
        stateMachineArn: MACHINES.map((machine) => machineArn(ground, source.name, machine)),
      },
    },
    targets: [target],
  });
  new Rule(scope, 'Hourly', {
    description: `Lifeboat: tidies up what executions of ${source.name} left behind.`,
    schedule: Schedule.rate(Duration.hours(1)),
    targets: [target],
  });
};

const schedules = (scope: Construct, props: SourceBackupProps, machines: Readonly<Record<MachineName, Deployed>>): void => {
  const { ground, source, deadLetterArn } = props;
  const due = [
    { machine: 'backup', expression: source.entry.schedule },
    { machine: 'drill', expression: source.entry.drill?.schedule },
  ] as const;
  if (due.every(({ expression }) => expression === undefined)) return;
  const started = (machine: MachineName): string => `${machineArn(ground, source.name, machine)}:${ALIAS}`;
  const role = serviceRole(scope, 'ScheduleRole', {
    name: roleName(ground.environment, source.name, 'scheduler'),
    service: 'scheduler',
    description: `Lifeboat: starts scheduled executions of ${source.name}.`,
    account: ground.account,
    statements: [
      new PolicyStatement({
        sid: 'StartScheduled',
        actions: ['states:StartExecution'],
        resources: due.flatMap(({ machine, expression }) => (expression === undefined ? [] : [started(machine)])),
      }),
      new PolicyStatement({ sid: 'KeepUndelivered', actions: ['sqs:SendMessage'], resources: [deadLetterArn] }),
      new PolicyStatement({ sid: 'EncryptUndelivered', actions: ['kms:Decrypt', 'kms:GenerateDataKey'], resources: [ground.keyArn] }),
    ],
  });
  for (const { machine, expression } of due) {
    if (expression === undefined) continue;
    const made = schedule(scope, {
      environment: ground.environment,
      source,
      machine,
      expression,
      arn: started(machine),
      roleArn: role.roleArn,
      deadLetterArn,
    });
    made.node.addDependency(machines[machine].alias);
  }
};
