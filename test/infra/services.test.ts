import { describe, expect, it } from 'vitest';
import { machineArnOf } from './cloud/deployed.ts';
import { SOURCE } from './cloud/everything.ts';
import type { Need } from './cloud/needs.ts';
import { type Decision, decide, decideService } from './cloud/simulate.ts';
import { ACCOUNT, cloudOf, KEY_ARN, REGION } from './cloud/template.ts';
import { synthesized } from './support.ts';

/** What services do for each other around the functions: nobody's code calls it, so nobody's test would miss it. */
const cloud = cloudOf(synthesized());

const TOPIC = `arn:aws:sns:${REGION}:${ACCOUNT}:lifeboat-example`;
const QUEUE = `arn:aws:sqs:${REGION}:${ACCOUNT}:lifeboat-example-undelivered`;
const OURS = { 'aws:SourceAccount': ACCOUNT };

const need = (by: string, action: string, resource: string, context: Need['context'] = {}): Need => ({ by, action, resource, context });

const decisions = async (needs: readonly Need[], how: (each: Need) => Promise<Decision>): Promise<string[]> =>
  Promise.all(needs.map(async (each) => `${await how(each)}: ${each.by} ${each.action} ${each.resource}`));

const allowed = (needs: readonly Need[]): string[] => needs.map(({ by, action, resource }) => `Allowed: ${by} ${action} ${resource}`);

describe('the policies of what services share', () => {
  it('let each rule of EventBridge call its targets, and encrypt what it tells the topic', async () => {
    const calls = cloud.rules.flatMap(({ arn, targets }) =>
      targets.map((target) =>
        target === TOPIC
          ? need('events', 'sns:Publish', target)
          : need('events', 'lambda:InvokeFunction', target, { 'aws:SourceArn': arn }),
      ),
    );
    // To an encrypted topic EventBridge gives neither aws:SourceAccount nor aws:SourceArn (SNS Developer Guide, key management).
    const keys = ['kms:Decrypt', 'kms:GenerateDataKey'].map((action) => need('events', action, KEY_ARN));
    const all = [...calls, ...keys];
    expect(await decisions(all, (each) => decideService(cloud, each))).toEqual(allowed(all));
    expect(calls.filter(({ action }) => action === 'sns:Publish')).toHaveLength(1);
    // A janitor a source has two; the watcher has one, the webhooks have two.
    expect(calls).toHaveLength(1 + 2 * 6 + 1 + 2);
  });

  it('let alarms tell the topic', async () => {
    const all = [
      need('cloudwatch', 'sns:Publish', TOPIC, OURS),
      need('cloudwatch', 'kms:Decrypt', KEY_ARN, OURS),
      need('cloudwatch', 'kms:GenerateDataKey', KEY_ARN, OURS),
    ];
    expect(await decisions(all, (each) => decideService(cloud, each))).toEqual(allowed(all));
  });

  it('let the scheduler start what is due, keep what could not be started, and nothing else', async () => {
    const by = `example-${SOURCE}-scheduler`;
    const may = [
      need(by, 'states:StartExecution', `${machineArnOf('backup', SOURCE)}:live`),
      need(by, 'states:StartExecution', `${machineArnOf('drill', SOURCE)}:live`),
      need(by, 'sqs:SendMessage', QUEUE),
      need(by, 'kms:GenerateDataKey', KEY_ARN),
      need(by, 'kms:Decrypt', KEY_ARN),
    ];
    expect(await decisions(may, (each) => decide(cloud, each))).toEqual(allowed(may));
    const mayNot = [
      need(by, 'states:StartExecution', `${machineArnOf('restore', SOURCE)}:live`),
      need(by, 'sqs:ReceiveMessage', QUEUE),
      need(by, 's3:GetObject', `arn:aws:s3:::acme-lifeboat-store/prod/${SOURCE}/backups/b/manifest.json`),
    ];
    for (const each of mayNot) expect([each.action, await decide(cloud, each)]).toEqual([each.action, 'ImplicitlyDenied']);
  });

  it('let nobody else in: no other account, no other rule', async () => {
    const strangers = [
      need('cloudwatch', 'sns:Publish', TOPIC, { 'aws:SourceAccount': '210987654321' }),
      need('cloudwatch', 'kms:Decrypt', KEY_ARN, { 'aws:SourceAccount': '210987654321' }),
      need('events', 'lambda:InvokeFunction', `arn:aws:lambda:${REGION}:${ACCOUNT}:function:example-${SOURCE}-janitor`, {
        'aws:SourceArn': `arn:aws:events:${REGION}:${ACCOUNT}:rule/somebody-elses`,
      }),
      need('events', 'sqs:SendMessage', QUEUE),
    ];
    for (const each of strangers) expect([each.action, await decideService(cloud, each)]).toEqual([each.action, 'ImplicitlyDenied']);
    expect(await decideService(cloud, need('events', 'sns:Publish', TOPIC, { 'aws:SecureTransport': 'false' }))).toBe('ExplicitlyDenied');
  });

  it('let replication read the store, write the replica, and use both keys', async () => {
    const by = 'example-replication';
    const object = 'acme-lifeboat-store/prod/x/backups/b/segments/s';
    const through = (region: string) => ({ 'kms:ViaService': `s3.${region}.amazonaws.com` });
    const all = [
      need(by, 's3:GetReplicationConfiguration', 'arn:aws:s3:::acme-lifeboat-store'),
      need(by, 's3:ListBucket', 'arn:aws:s3:::acme-lifeboat-store'),
      ...[
        'GetObjectVersionForReplication',
        'GetObjectVersionAcl',
        'GetObjectVersionTagging',
        'GetObjectRetention',
        'GetObjectLegalHold',
      ].map((action) => need(by, `s3:${action}`, `arn:aws:s3:::${object}`)),
      ...['ReplicateObject', 'ReplicateTags', 'ObjectOwnerOverrideToBucketOwner'].map((action) =>
        need(by, `s3:${action}`, `arn:aws:s3:::${object.replace('-store/', '-replica/')}`),
      ),
      need(by, 'kms:Decrypt', KEY_ARN, through(REGION)),
      need(by, 'kms:Encrypt', 'arn:aws:kms:eu-west-1:210987654321:key/01234567-89ab-cdef-0123-456789abcdef', through('eu-west-1')),
    ];
    expect(await decisions(all, (each) => decide(cloud, each))).toEqual(allowed(all));
  });
});
