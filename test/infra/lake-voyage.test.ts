import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commit, upload } from '../support/lakefs-repository.ts';
import { startS3Server } from '../support/s3-server.ts';
import { type Deployed, outputOf, startDeployed } from './cloud/deployed.ts';
import { type Lake, startLake } from './cloud/lake.ts';
import type { Need } from './cloud/needs.ts';
import { decide } from './cloud/simulate.ts';
import { ACCOUNT, REGION } from './cloud/template.ts';
import { exampleWith } from './support.ts';

/** The only kind beside RDS that calls AWS itself: its objects lie in buckets of its own. */
const LAKE = 'lake';

const secretArn = (name: string): string => `arn:aws:secretsmanager:${REGION}:${ACCOUNT}:secret:lifeboat/${name}`;
const SECRETS = { source: secretArn('lake-AbCdEf'), scratch: secretArn('lake-drills-AbCdEf'), target: secretArn('lake-restored-AbCdEf') };

let lake: Lake;
let all: Deployed;
const ending: (() => unknown)[] = [];

const environment = (storage: { readonly endpoint: string }): unknown =>
  exampleWith((raw) => {
    const server = { kind: 'lakefs', endpoint: lake.endpoint, storage: { ...storage, region: REGION } };
    Object.assign(raw.sources.lake, server, {
      repository: 'sample',
      concurrency: 2,
      retention: { last: 1 },
      restore: { target: 'restored' },
    });
    Object.assign(raw.sources.lake.drill.scratch, server);
    const restored = { ...server, repository: 'restored', credentials: `secretsmanager:${SECRETS.target}` };
    // The other sources would only take time to synthesize.
    Object.assign(raw, {
      sources: { lake: raw.sources.lake },
      targets: { restored: { ...restored, namespace: 's3://acme-lake-drills/restored' } },
    });
    Object.assign(raw.deployment, { notifications: {} });
    Object.assign(raw.deployment.storage.lake, { write: ['s3://acme-lake-drills/lifeboat', 's3://acme-lake-drills/restored'] });
    Object.assign(raw.store, { forcePathStyle: true });
    Object.assign(raw.control, { forcePathStyle: true });
  });

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-lake-cloud-'));
  ending.push(() => rmSync(folder, { recursive: true, force: true }));
  const s3 = await startS3Server();
  lake = await startLake(folder, s3, ['acme-lake', 'acme-lake-drills']);
  ending.push(() => lake.stop());
  const { accessKeyId: access_key_id, secretAccessKey: secret_access_key } = lake.server;
  const secrets = new Map(Object.values(SECRETS).map((arn) => [arn, JSON.stringify({ access_key_id, secret_access_key })]));
  const sample = lake.server.make('sample', 'local://acme-lake/analytics');
  const trunk = sample.branches.get('main');
  for (let n = 0; n < 12; n++) trunk?.staged.set(`tables/part-${n}.csv`, upload(sample, Buffer.from(`${n}\n`.repeat(n + 1))));
  commit(sample, 'main', 'first');
  all = await startDeployed(environment({ endpoint: s3.endpoint }), { s3, secrets });
  ending.push(() => all.stop());
}, 120_000);

afterAll(async () => {
  for (const end of ending.reverse()) await end();
});

describe('a lake, as it is deployed', () => {
  it('is backed up with its objects, proven, restored and tidied up', async () => {
    for (const day of ['19', '20']) {
      const input = { source: LAKE, scheduledTime: `2026-11-${day}T01:30:00Z`, schedule: 'arn:aws:scheduler:nightly' };
      expect(await all.start(LAKE, 'backup', input)).toMatchObject({ status: 'SUCCEEDED' });
    }
    expect(outputOf(await all.start(LAKE, 'drill', {}))).toMatchObject({ verdict: 'PASSED' });
    outputOf(await all.start(LAKE, 'restore', {}));
    await all.call(LAKE, 'janitor', { source: LAKE });
  }, 180_000);
});

describe('the roles of a lake', () => {
  it('allow everything that was done, and what it implies', async () => {
    const asked: Need[] = all.needs();
    const refused: string[] = [];
    for (const need of asked) {
      const decision = await decide(all.cloud, need);
      if (decision !== 'Allowed') refused.push(`${decision}: ${need.by} ${need.action} ${need.resource} ${JSON.stringify(need.context)}`);
    }
    expect([...new Set(refused)]).toEqual([]);
    // The objects of the lake were read, written where drills do, and removed there: otherwise this proves nothing.
    const inBuckets = new Set(asked.filter(({ resource }) => resource.includes(':::acme-lake')).map(({ action }) => action));
    expect([...inBuckets]).toEqual(expect.arrayContaining(['s3:GetObject', 's3:PutObject', 's3:DeleteObject', 's3:ListBucket']));
  }, 60_000);
});
