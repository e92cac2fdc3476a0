import { EventField, Rule, RuleTargetInput } from 'aws-cdk-lib/aws-events';
import { SfnStateMachine } from 'aws-cdk-lib/aws-events-targets';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { z } from 'zod';
import { roleName } from '../src/environment/names.ts';
import type { DeployableSource } from './deployable.ts';
import type { Ground } from './grants.ts';
import { type Deployed, machineArn } from './machines.ts';
import { serviceRole } from './service-role.ts';

const Scratch = z.object({ restoreTesting: z.string().optional() });

/** The restore testing plan of AWS Backup whose restores a source audits; undefined for none. */
export const restoreTestingPlan = ({ scratch }: Pick<DeployableSource, 'scratch'>): string | undefined =>
  scratch?.kind === 'rds' ? Scratch.parse(scratch.address).restoreTesting : undefined;

/** AWS Backup says that it has restored something: the restore machine looks at it, and tells AWS Backup what it found. */
export const auditRestoreTesting = (scope: Construct, ground: Ground, source: DeployableSource, { machine }: Deployed): void => {
  const plan = restoreTestingPlan(source);
  if (plan === undefined) return;
  const arn = machineArn(ground, source.name, 'restore');
  const role = serviceRole(scope, 'RestoreTestingRole', {
    name: roleName(ground.environment, source.name, 'tester'),
    service: 'events',
    description: `Lifeboat: starts the audit of what AWS Backup restored of ${source.name}.`,
    account: ground.account,
    statements: [
      new PolicyStatement({
        sid: 'StartAudits',
        actions: ['states:StartExecution'],
        resources: [machineArn(ground, source.name, 'restore')],
      }),
    ],
  });
  const rule = new Rule(scope, 'RestoreTesting', {
    description: `Lifeboat: audits what AWS Backup's restore testing has restored of ${source.name}.`,
    eventPattern: {
      source: ['aws.backup'],
      detailType: ['Restore Job State Change'],
      detail: { status: ['COMPLETED'], restoreTestingPlanArn: [plan] },
    },
    targets: [
      new SfnStateMachine(StateMachine.fromStateMachineArn(scope, 'RestoreTestingTarget', arn), {
        role,
        input: RuleTargetInput.fromObject({
          restored: { resource: EventField.fromPath('$.detail.createdResourceArn'), job: EventField.fromPath('$.detail.restoreJobId') },
        }),
      }),
    ],
  });
  rule.node.addDependency(machine);
};
