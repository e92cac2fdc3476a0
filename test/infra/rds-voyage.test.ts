import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { STEPS } from '../../src/environment/steps.ts';
import { type Clock, realClock } from '../../src/local/asl/clock.ts';
import { query } from '../support/postgres.ts';
import { type RdsDouble, startRdsDouble } from '../support/rds-double.ts';
import { type Deployed, functionOf, startDeployed } from './cloud/deployed.ts';
import type { Need } from './cloud/needs.ts';
import { rdsNeeds } from './cloud/rds-needs.ts';
import { type Recorder, startRecorder } from './cloud/recorder.ts';
import type { ServiceCall } from './cloud/services.ts';
import { decide } from './cloud/simulate.ts';
import { ACCOUNT, REGION } from './cloud/template.ts';
import { exampleWith } from './support.ts';

/** A DB snapshot as the backup, copied and exported; and a dump of a clone of one. */
const SNAPSHOTS = 'snapshots';
const ROWS = 'rows';

const KEY_ABROAD = `arn:aws:kms:eu-west-1:${ACCOUNT}:key/11111111-2222-4333-8444-555555555555`;
const KEY_HERE = `arn:aws:kms:${REGION}:${ACCOUNT}:key/99999999-2222-4333-8444-555555555555`;

/** A wait of the machines is for RDS, whose minutes are milliseconds here. */
const LOOK_MS = 60;
const impatient: Clock = { ...realClock, sleep: (ms, signal) => realClock.sleep(Math.min(ms, LOOK_MS), signal) };

const environment = (): unknown =>
  exampleWith((raw) => {
    const at = { kind: 'rds', instance: 'sea', sslmode: 'disable', concurrency: 2, retention: { last: 1 } };
    const placement = { subnetGroup: 'drills', securityGroups: ['sg-0123456789abcdef1'], parameterGroup: 'drills' };
    Object.assign(raw.deployment, { storage: {}, notifications: {}, kms: { databaseKeys: [KEY_HERE] } });
    Object.assign(raw, {
      sources: {
        [SNAPSHOTS]: {
          ...at,
          drill: { scratch: 'drills' },
          copies: [{ region: 'eu-west-1', kmsKey: KEY_ABROAD }],
          export: { bucket: 'acme-exports', role: `arn:aws:iam::${ACCOUNT}:role/export`, kmsKey: KEY_HERE },
        },
        [ROWS]: { ...at, mode: 'clone-dump', drill: { scratch: 'drills' }, restore: { target: 'restored' } },
      },
      targets: {
        drills: { kind: 'rds', instance: 'drills', sslmode: 'disable', placement },
        restored: { kind: 'rds', instance: 'restored', sslmode: 'disable' },
      },
    });
    Object.assign(raw.store, { forcePathStyle: true });
    Object.assign(raw.control, { forcePathStyle: true });
  });

let double: RdsDouble;
let recorder: Recorder;
let all: Deployed;
const passwords: ServiceCall[] = [];
const ending: (() => unknown)[] = [];

/** Whose password a secret is; RDS writes that into a tag of it. */
const ownerOf = (secret: string): string =>
  [...double.state.instances.values()].find((instance) => instance.secret?.arn === secret)?.arn ?? 'nobody';

const needs = (): Need[] => [
  ...all.needs(passwords),
  ...recorder.passed.filter(({ headers }) => headers['x-amz-target'] === undefined).flatMap((passed) => rdsNeeds(passed, KEY_HERE)),
];

beforeAll(async () => {
  double = await startRdsDouble();
  ending.push(() => double.stop());
  const sea = await double.addInstance('sea', { dbName: 'postgres', kmsKey: KEY_HERE });
  await query(
    sea.url,
    "CREATE TABLE boats (id int PRIMARY KEY, name text); INSERT INTO boats SELECT n, 'boat ' || n FROM generate_series(1, 300) n",
  );
  recorder = await startRecorder(double.endpoint, ({ by, headers, body }) => {
    if (headers['x-amz-target'] !== 'secretsmanager.GetSecretValue') return;
    const { SecretId }: { SecretId: string } = JSON.parse(body);
    const context = { 'aws:ResourceTag/aws:rds:primaryDBInstanceArn': ownerOf(SecretId) };
    passwords.push({ by, action: 'secretsmanager:GetSecretValue', resource: SecretId, context });
  });
  ending.push(() => recorder.stop());
  const env = {
    AWS_ENDPOINT_URL_RDS: recorder.endpoint,
    AWS_ENDPOINT_URL_STS: recorder.endpoint,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: recorder.endpoint,
  };
  all = await startDeployed(environment(), { env, clock: impatient });
  ending.push(() => all.stop());
}, 120_000);

afterAll(async () => {
  for (const end of ending.reverse()) await end();
});

describe('sources in RDS, as they are deployed', () => {
  it('are backed up, drilled and pruned as snapshots', async () => {
    for (const day of ['19', '20']) {
      const input = { source: SNAPSHOTS, scheduledTime: `2026-11-${day}T01:30:00Z`, schedule: 'arn:aws:scheduler:nightly' };
      expect(await all.start(SNAPSHOTS, 'backup', input)).toMatchObject({ status: 'SUCCEEDED' });
    }
    expect(recorder.passed.filter(({ body }) => body.includes('Action=DeleteDBSnapshot')).length).toBeGreaterThan(0);
    // Rows of a snapshot can only be compared with those of a dump.
    expect(await all.start(SNAPSHOTS, 'drill', {})).toMatchObject({ status: 'FAILED', error: 'NotMeasured' });
  }, 120_000);

  it('are backed up as rows of a clone, proven, and restored to an instance', async () => {
    expect(await all.start(ROWS, 'backup', {})).toMatchObject({ status: 'SUCCEEDED' });
    expect(await all.start(ROWS, 'drill', {})).toMatchObject({ status: 'SUCCEEDED', output: { verdict: 'PASSED' } });
    expect(await all.start(ROWS, 'restore', {})).toMatchObject({ status: 'SUCCEEDED' });
  }, 120_000);

  it('are tidied up', async () => {
    for (const source of [SNAPSHOTS, ROWS]) await all.call(source, 'janitor', { source });
  }, 60_000);
});

describe('the roles of sources in RDS', () => {
  it('are judged by what every step really does', () => {
    const called = new Set(all.machines.payloads.map(({ of }) => of));
    // An instance in RDS needs nobody who holds it; the others are called when something fails, and are proven in voyage.test.ts.
    const steps = Object.keys(STEPS).filter(
      (step) => !['hold', 'abort-backup', 'abort-restore', 'janitor', 'probe-source', 'probe-target'].includes(step),
    );
    expect(steps.filter((step) => !called.has(functionOf(step, ROWS)))).toEqual([]);
    const actions = new Set(needs().map(({ action }) => action));
    for (const action of [
      'CreateDBSnapshot',
      'CopyDBSnapshot',
      'StartExportTask',
      'RestoreDBInstanceFromDBSnapshot',
      'ModifyDBInstance',
      'DeleteDBInstance',
    ])
      expect(actions).toContain(`rds:${action}`);
    for (const { resource, context } of passwords)
      expect(context, resource).not.toMatchObject({ 'aws:ResourceTag/aws:rds:primaryDBInstanceArn': 'nobody' });
  });

  it('allow everything that was done, and what it implies', async () => {
    const refused: string[] = [];
    const asked = needs();
    for (const need of asked) {
      const decision = await decide(all.cloud, need);
      if (decision !== 'Allowed') refused.push(`${decision}: ${need.by} ${need.action} ${need.resource} ${JSON.stringify(need.context)}`);
    }
    expect([...new Set(refused)]).toEqual([]);
    expect(asked.length).toBeGreaterThan(200);
  }, 60_000);
});
