import { readFileSync } from 'node:fs';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { ILogGroup } from 'aws-cdk-lib/aws-logs';
import { CfnStateMachineAlias, CfnStateMachineVersion, DefinitionBody, LogLevel, StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { ALIAS, functionName, type MachineName, machineName, placeholderOf } from '../src/environment/names.ts';
import { STEPS } from '../src/environment/steps.ts';
import { type Ground, objectsArn, traceMachine } from './grants.ts';
import { serviceRole } from './service-role.ts';

export const machineArn = (
  { environment, account, region }: Pick<Ground, 'environment' | 'account' | 'region'>,
  source: string,
  machine: MachineName,
): string => `arn:aws:states:${region}:${account}:stateMachine:${machineName(environment, source, machine)}`;

export const executionsArn = (ground: Ground, source: string, machine: MachineName): string =>
  machineArn(ground, source, machine).replace(':stateMachine:', ':execution:');

const functionArn = ({ environment, account, region }: Ground, source: string, step: string): string =>
  `arn:aws:lambda:${region}:${account}:function:${functionName(environment, source, step)}`;

/** The file of state-machines/ as it is deployed, without the white space that only people need. */
export const definitionOf = (machine: MachineName): string =>
  JSON.stringify(JSON.parse(readFileSync(new URL(`../state-machines/${machine}.asl.json`, import.meta.url), 'utf8')));

/** What stands for the `${…}` of a definition. */
export const substitutionsOf = (ground: Ground, source: string, machine: MachineName): Record<string, string> => {
  const all: Record<string, string> = {
    Source: source,
    RestoreMachine: machineArn(ground, source, 'restore'),
    ...Object.fromEntries(Object.keys(STEPS).map((step) => [placeholderOf(step), functionArn(ground, source, step)])),
  };
  const used = new Set([...definitionOf(machine).matchAll(/\$\{(\w+)\}/g)].map(([, name]) => name ?? ''));
  return Object.fromEntries(
    [...used].map((name) => {
      const value = all[name];
      if (value === undefined) throw new Error(`state-machines/${machine}.asl.json has \${${name}}, and there is no such step`);
      return [name, value];
    }),
  );
};

export interface MachineProps {
  readonly ground: Ground;
  readonly source: string;
  readonly machine: MachineName;
  readonly logGroup: ILogGroup;
}

export interface Deployed {
  readonly machine: StateMachine;
  readonly alias: CfnStateMachineAlias;
}

export const stateMachine = (scope: Construct, props: MachineProps): Deployed => {
  const { ground, source, machine, logGroup } = props;
  const id = placeholderOf(machine);
  const deployed = new StateMachine(scope, id, {
    stateMachineName: machineName(ground.environment, source, machine),
    comment: `Lifeboat: ${machine} of ${source}`,
    definitionBody: DefinitionBody.fromString(definitionOf(machine)),
    definitionSubstitutions: substitutionsOf(ground, source, machine),
    role: serviceRole(scope, `${id}Role`, {
      name: `${machineName(ground.environment, source, machine)}-machine`,
      service: 'states',
      description: `Lifeboat: what the ${machine} machine of ${source} may do.`,
      account: ground.account,
      statements: machineDuty(ground, source, machine),
    }),
    tracingEnabled: true,
    // Without data: the input and output of a step stay in the history, which fewer people may read.
    logs: { destination: logGroup, level: LogLevel.ALL, includeExecutionData: false },
  });
  const version = new CfnStateMachineVersion(scope, `${id}Version`, {
    stateMachineArn: deployed.stateMachineArn,
    stateMachineRevisionId: deployed.stateMachineRevisionId,
  });
  const alias = new CfnStateMachineAlias(scope, `${id}Alias`, {
    name: ALIAS,
    description: 'What schedules start.',
    deploymentPreference: { type: 'ALL_AT_ONCE', stateMachineVersionArn: version.attrArn },
  });
  return { machine: deployed, alias };
};

const statement = (sid: string, actions: string[], resources: string[]): PolicyStatement =>
  new PolicyStatement({ sid, actions, resources });

/** Invoke its steps, read plans, write Map results, run children; a drill runs restores. */
export const machineDuty = (ground: Ground, source: string, machine: MachineName): PolicyStatement[] => {
  const steps = Object.entries(STEPS).filter(([, step]) => step.machine === machine);
  return [
    statement(
      'InvokeSteps',
      ['lambda:InvokeFunction'],
      steps.map(([step]) => functionArn(ground, source, step)),
    ),
    ...(machine === 'drill' ? nested(ground, source) : distributedMap(ground, source, machine)),
    statement(
      'DeliverLogs',
      [
        'logs:CreateLogDelivery',
        'logs:GetLogDelivery',
        'logs:UpdateLogDelivery',
        'logs:DeleteLogDelivery',
        'logs:ListLogDeliveries',
        'logs:PutResourcePolicy',
        'logs:DescribeResourcePolicies',
        'logs:DescribeLogGroups',
      ],
      ['*'],
    ),
    traceMachine(),
  ];
};

const distributedMap = (ground: Ground, source: string, machine: MachineName): PolicyStatement[] => {
  const runs = objectsArn(ground.control, `${source}/runs/*`);
  const executions = executionsArn(ground, source, machine);
  return [
    statement('ReadPlans', ['s3:GetObject'], [runs]),
    statement('WriteResults', ['s3:PutObject', 's3:ListMultipartUploadParts', 's3:AbortMultipartUpload'], [runs]),
    new PolicyStatement({
      sid: 'UseKeyThroughS3',
      actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
      resources: [ground.keyArn],
      conditions: { StringEquals: { 'kms:ViaService': `s3.${ground.region}.amazonaws.com` } },
    }),
    // The children of a Map run are executions of the machine, named <machine>/<label>:<id>.
    statement('StartChildren', ['states:StartExecution'], [machineArn(ground, source, machine)]),
    statement(
      'RunChildren',
      ['states:DescribeExecution', 'states:StopExecution', 'states:RedriveExecution'],
      [`${executions}:*`, `${executions}/*`],
    ),
  ];
};

/** startExecution.sync:2 learns of the end by an event, for which Step Functions keeps a rule of this name. */
const nested = (ground: Ground, source: string): PolicyStatement[] => [
  statement('StartRestore', ['states:StartExecution'], [machineArn(ground, source, 'restore')]),
  statement('FollowRestore', ['states:DescribeExecution', 'states:StopExecution'], [`${executionsArn(ground, source, 'restore')}:*`]),
  statement(
    'HearOfItsEnd',
    ['events:PutTargets', 'events:PutRule', 'events:DescribeRule'],
    [`arn:aws:events:${ground.region}:${ground.account}:rule/StepFunctionsGetEventsForStepFunctionsExecutionRule`],
  ),
];
