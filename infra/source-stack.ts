import { Stack, type StackProps } from 'aws-cdk-lib';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { Code } from 'aws-cdk-lib/aws-lambda';
import { Topic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import type { Deployable, DeployableSource } from './deployable.ts';
import type { Ground } from './grants.ts';
import { networkOf } from './network.ts';
import { deadLetterArn, runbookOf, topicArn } from './service-stack.ts';
import { SourceBackup } from './source-backup.ts';

export interface SourceStackProps extends StackProps {
  readonly deployable: Deployable;
  readonly source: DeployableSource;
  readonly ground: Ground;
  readonly key: IKey;
  readonly code: Code;
}

/** A stack a source: one has about a hundred resources, a stack holds five hundred, and sources come and go. */
export class SourceStack extends Stack {
  readonly backup: SourceBackup;

  constructor(scope: Construct, id: string, props: SourceStackProps) {
    const { deployable, source, ground, key, code, ...stack } = props;
    super(scope, id, { ...stack, description: `Lifeboat ${deployable.name}: backups, restores and drills of ${source.name}.` });
    const { vpc } = deployable.deployment;
    this.backup = new SourceBackup(this, 'Backup', {
      deployable,
      source,
      ground,
      key,
      code,
      network: vpc === undefined ? undefined : networkOf(this, vpc),
      alarms: {
        environment: deployable.name,
        source: source.name,
        topic: Topic.fromTopicArn(this, 'Topic', topicArn(deployable)),
        runbook: runbookOf(deployable),
      },
      deadLetterArn: deadLetterArn(deployable),
    });
  }
}
