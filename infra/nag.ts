import { Validations } from 'aws-cdk-lib';
import type { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IConstruct } from 'constructs';

/** Why a rule of cdk-nag's AwsSolutions does not hold here. */
export const acknowledge = (construct: IConstruct, rule: string, reason: string): void =>
  Validations.of(construct).acknowledge({ id: rule, reason });

/** Why a statement has a wildcard, by its sid. A statement with a wildcard and no reason is an error. */
const WILDCARDS: Readonly<Record<string, string>> = {
  ReadStore: 'Keys of backups are made of times and hashes; the wildcard ends at the folder of one source.',
  CreateInStore: 'Keys of segments and receipts are made of hashes; the wildcard ends at one folder of one source.',
  PruneStore: 'Pruning removes whole folders of backups of one source, by delete markers only.',
  UseControl: 'Leases, plans and records of one source; their keys have run ids.',
  ReadControl: 'Leases and records of one source; their keys have run ids.',
  ForgetScratch: 'Records of scratch targets of one source; their keys have drill ids.',
  DescribeExecutions: 'Names of executions are not known beforehand; the wildcard ends at one machine.',
  ReadSecrets: 'The ARN in the environment has no random end; the question marks stand for its six characters.',
  JoinVpc: 'Network interfaces have no ARN before they are made; EC2 offers nothing narrower.',
  WriteLogs: 'Names of log streams are not known beforehand; the wildcard ends at one log group.',
  Trace: 'X-Ray has no resources.',
  InvokeSteps: 'The wildcard stands for versions of one function.',
  ReadPlans: 'Keys of plans have run ids; the wildcard ends at the runs of one source.',
  WriteResults: 'Keys of results have run ids; the wildcard ends at the runs of one source.',
  RunChildren: 'Children of a Distributed Map are executions of the machine itself, whose names are not known beforehand.',
  FollowRestore: 'Names of executions are not known beforehand; the wildcard ends at the restore machine of this source.',
  DeliverLogs: 'CloudWatch Logs offers nothing narrower for log delivery.',
  DescribeRds: 'Describing by name and listing are one action of RDS; it changes nothing.',
  DescribeAccount: 'These actions of RDS have no resources; they change nothing.',
  MakeSnapshots: 'Snapshots are named after backups; the wildcard ends at names that begin with lifeboat-.',
  CopySnapshots: 'Snapshots are named after backups; the wildcard ends at names that begin with lifeboat-.',
  ExportSnapshots: 'Snapshots are named after backups; the wildcard ends at names that begin with lifeboat-.',
  RemoveSnapshots: 'Snapshots are named after backups; the wildcard ends at names that begin with lifeboat-.',
  MakeTemporaryInstances: 'Snapshots and instances are named after runs; subnet, parameter and option groups are those of the instance.',
  GiveThemPasswords: 'Instances are named after runs; the wildcard ends at names of clones and drills.',
  LookAtKeyOfPasswords: 'The key that AWS keeps for Secrets Manager has an id that nobody knows beforehand; its alias bounds it.',
  KeepPasswords: 'RDS names the secrets of its master users.',
  ReadRdsPassword: 'RDS names the secrets of its master users; a tag of theirs bounds them to instances of these names.',
  RemoveTemporaryInstances: 'Instances are named after runs; the wildcard ends at names of clones and drills.',
  AnswerRestoreTesting: 'AWS Backup has no resources for this action, which takes a verdict and changes nothing.',
  LogInWithToken: 'The resource id of an instance is not in its address; the wildcard ends at one user of databases.',
  ReadStorage: 'Keys of objects are those of the product; the wildcard ends at the given prefix.',
  WriteStorage: 'Keys of objects are those of the product; the wildcard ends at the prefix of restores and drills.',
  ReadVersions: 'Replication reads objects whose keys nobody knows beforehand; the wildcard ends at the store.',
  WriteReplica: 'Replication writes the same keys; the wildcard ends at the replica of the store.',
};

/** Acknowledges each wildcard of a role's policy with the reason of its statement. */
export const acknowledgeWildcards = (construct: IConstruct, statements: readonly PolicyStatement[]): void => {
  for (const statement of statements) {
    const wildcards = [
      ...statement.resources.filter((resource) => /[*?]/.test(resource)).map((resource) => `Resource::${resource}`),
      ...statement.actions.filter((action) => action.includes('*')).map((action) => `Action::${action}`),
    ];
    const reason = WILDCARDS[(statement.sid ?? '').replace(/^(Source|Restore|Scratch)/, '').replace(/\d+$/, '')];
    if (wildcards.length > 0 && reason === undefined) throw new Error(`statement ${statement.sid} has a wildcard and no reason for it`);
    for (const wildcard of wildcards) acknowledge(construct, `AwsSolutions-IAM5[${wildcard}]`, reason ?? '');
  }
};
