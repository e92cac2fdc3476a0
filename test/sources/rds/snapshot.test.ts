import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Json, Manifest } from '../../../src/backup/types.ts';
import { ReferenceSchema } from '../../../src/sources/rds/reference.ts';
import { RdsError } from '../../support/rds-double/query.ts';
import { defaultKey, keyOf } from '../../support/rds-double/state.ts';
import { timeline } from '../../support/rds-double/status.ts';
import { ACCOUNT, type RdsDouble, REGION, startRdsDouble } from '../../support/rds-double.ts';
import { backUp, backupId, backupInput, contextOf, sourceOf, targetOf, untilDone } from './driver.ts';
import { waitFor } from './waiting.ts';

const here = { region: REGION, account: ACCOUNT };
const KEY = `arn:aws:kms:${REGION}:${ACCOUNT}:key/ours`;
const KEY_ABROAD = `arn:aws:kms:eu-west-1:${ACCOUNT}:key/ours`;

// Nobody logs in here; waits are those of RDS.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let double: RdsDouble;
let count = 0;
const nextBackup = () => backupId(`20261121T0130${String(count++).padStart(2, '0')}Z-4f2a`);

beforeAll(async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
  double = await startRdsDouble();
  vi.stubEnv('AWS_ENDPOINT_URL_STS', double.endpoint);
  await double.addInstance('sea', { dbName: 'postgres', kmsKey: defaultKey(here), hollow: true });
});
afterEach(() => {
  double.seen.length = 0;
  double.state.closedKeys.clear();
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await double.stop();
});

const asked = (action: string) => double.seen.filter((one) => one.action === action);
const names = () => [...double.state.snapshots.values()].map(({ region, id }) => `${region}/${id}`);
const referenceOf = (segments: readonly { readonly context?: Json | undefined }[]) => ReferenceSchema.parse(segments[0]?.context);

describe('making a snapshot', () => {
  it('is done once for all attempts of one backup, with its tag', async () => {
    const backup = nextBackup();
    const again = sourceOf(double);
    expect(await again.ready?.(backup)).toBeUndefined();
    expect(await again.ready?.(backup)).toBeUndefined();
    const segments = await backUp(sourceOf(double), backup);
    expect(asked('CreateDBSnapshot')).toHaveLength(1);
    expect([...(asked('CreateDBSnapshot')[0]?.form.tags() ?? [])]).toEqual([['lifeboat:backup', backup]]);
    expect(referenceOf(segments)).toMatchObject({
      arn: `arn:aws:rds:${REGION}:${ACCOUNT}:snapshot:lifeboat-sea-${backup.toLowerCase()}`,
      kmsKey: defaultKey(here),
      database: 'postgres',
    });
  });

  it('fails by name', async () => {
    const refused: [string, string][] = [
      ['SnapshotQuotaExceeded', 'SnapshotQuotaExceeded'],
      ['KMSKeyNotAccessibleFault', 'KMSKeyNotAccessible'],
      ['InvalidDBInstanceState', 'InvalidDBInstanceState'],
      ['AccessDenied', 'PermissionDenied'],
      ['SomethingNew', 'SourceProblem'],
    ];
    for (const [code, name] of refused) {
      double.fail('CreateDBSnapshot', new RdsError(code, 400, 'by plan'));
      const failed = sourceOf(double).ready?.(nextBackup());
      await expect(failed, code).rejects.toMatchObject({ code: name, message: expect.stringContaining('by plan'), retryable: false });
    }
  });

  it('is tried again when RDS throttles', async () => {
    double.fail('DescribeDBSnapshots', new RdsError('Throttling', 400, 'Rate exceeded'), 4);
    await expect(sourceOf(double).ready?.(nextBackup())).rejects.toMatchObject({ code: 'SourceBusy', retryable: true });
  });

  it('waits for an instance that is busy, and refuses one that is stopped', async () => {
    const instance = double.instance('sea');
    if (instance === undefined) throw new Error('no instance');
    const { status } = instance;
    instance.status = timeline(0, [], 'backing-up');
    expect(await sourceOf(double).ready?.(nextBackup())).toMatchObject({ afterSeconds: 30, what: 'instance sea is backing-up' });
    instance.status = timeline(0, [], 'stopped');
    expect((await sourceOf(double).inspect()).problems).toMatchObject([{ code: 'InvalidDBInstanceState' }]);
    instance.status = status;
    expect((await sourceOf(double).inspect()).problems).toEqual([]);
  });

  it('does not take the snapshot of somebody else for its own', async () => {
    const backup = nextBackup();
    await backUp(sourceOf(double), backup);
    double.state.snapshots.get(keyOf(here, `lifeboat-sea-${backup}`))?.tags.clear();
    await expect(sourceOf(double).ready?.(backup)).rejects.toMatchObject({ code: 'SnapshotAlreadyExists' });
  });

  it('fails when the snapshot does', async () => {
    const backup = nextBackup();
    double.endWith('CreateDBSnapshot', 'failed');
    await expect(backUp(sourceOf(double), backup)).rejects.toMatchObject({
      code: 'SnapshotFailed',
      message: expect.stringContaining('status failed'),
    });
  });

  it('says before it begins that there is no room for one more', async () => {
    double.state.snapshotQuota = names().length;
    expect((await sourceOf(double).inspect()).problems).toMatchObject([{ code: 'SnapshotQuotaExceeded' }]);
    double.state.snapshotQuota = 100;
  });
});

describe('copies', () => {
  it('lie in another region under a key of that region, and a restore there takes the copy', async () => {
    expect((await sourceOf(double, { copies: [{ region: 'eu-west-1' }] }).inspect()).problems).toMatchObject([{ code: 'CopyNeedsKey' }]);
    const backup = nextBackup();
    const segments = await backUp(sourceOf(double, { copies: [{ region: 'eu-west-1', kmsKey: KEY_ABROAD }] }), backup);
    const { copies } = referenceOf(segments);
    expect(copies).toMatchObject([{ region: 'eu-west-1', arn: expect.stringContaining(':eu-west-1:'), sharedWith: [] }]);
    expect(asked('CopyDBSnapshot')).toMatchObject([{ region: 'eu-west-1' }]);
    const manifest = { segments, details: null, backup } as unknown as Manifest;
    const input = { kind: 'restore', restore: 'drill-1', manifest, scratch: true, overwrite: false } as const;
    const abroad = targetOf(double, { instance: 'lifeboat-drill-abroad', region: 'eu-west-1' });
    await abroad.stages[0]?.run({}, contextOf(input));
    expect(asked('RestoreDBInstanceFromDBSnapshot')[0]?.form.text('DBSnapshotIdentifier')).toBe(copies[0]?.arn);
    const nowhere = targetOf(double, { instance: 'lifeboat-drill-nowhere', region: 'us-east-1' });
    await expect(nowhere.stages[0]?.run({}, contextOf(input))).rejects.toMatchObject({
      code: 'TargetProblem',
      hint: expect.stringContaining('eu-west-1'),
    });
    await untilDone((resume) => abroad.discard.run({}, contextOf(input), resume));
  });

  it('are shared under a key that others can be given, never under the default one', async () => {
    const share = { accounts: ['210987654321'] };
    expect((await sourceOf(double, { share }).inspect()).problems).toMatchObject([
      { code: 'SnapshotNotShareable', hint: expect.stringContaining('aws/rds') },
    ]);
    const source = sourceOf(double, { share: { ...share, kmsKey: KEY } });
    expect((await source.inspect()).problems).toEqual([]);
    const backup = nextBackup();
    expect(referenceOf(await backUp(source, backup)).copies).toMatchObject([
      { snapshot: `lifeboat-sea-${backup.toLowerCase()}-shared`, ...{ sharedWith: share.accounts } },
    ]);
    const shared = double.state.snapshots.get(keyOf(here, `lifeboat-sea-${backup}-shared`));
    expect([...(shared?.shared ?? [])]).toEqual(share.accounts);
    expect(shared?.kmsKey).toBe(KEY);
  });

  describe('in another account', () => {
    const OTHER = '210987654321';
    const role = `arn:aws:iam::${OTHER}:role/lifeboat-copies`;
    const KEY_THERE = `arn:aws:kms:${REGION}:${OTHER}:key/theirs`;
    const there = { region: REGION, role, kmsKey: KEY_THERE, externalId: 'lifeboat' };
    const wanted = { share: { kmsKey: KEY }, copies: [there] };
    const theirs = (backup: string) => double.state.snapshots.get(keyOf({ region: REGION, account: OTHER }, `lifeboat-sea-${backup}`));

    afterEach(() => void double.roles.clear());

    it('are made by a role of that account under its own key, and restore only there', async () => {
      double.roles.set(role, { externalId: 'lifeboat' });
      const source = sourceOf(double, wanted);
      expect((await source.inspect()).problems).toEqual([]);
      const backup = nextBackup();
      const segments = await backUp(source, backup);
      const { copies } = referenceOf(segments);
      expect(copies).toMatchObject([
        { snapshot: `lifeboat-sea-${backup.toLowerCase()}-shared`, sharedWith: [OTHER], role: null },
        { arn: `arn:aws:rds:${REGION}:${OTHER}:snapshot:lifeboat-sea-${backup.toLowerCase()}`, sharedWith: [], role, kept: false },
      ]);
      expect(theirs(backup)).toMatchObject({ kmsKey: KEY_THERE, sourceArn: copies[0]?.arn });
      expect(asked('CopyDBSnapshot').map(({ account }) => account)).toEqual([ACCOUNT, OTHER]);
      expect(asked('AssumeRole')[0]?.form.text('ExternalId')).toBe('lifeboat');

      const manifest = { segments, details: null, backup } as unknown as Manifest;
      const context = contextOf({ kind: 'restore', restore: 'drill-1', manifest, scratch: true, overwrite: false });
      const target = targetOf(double, { instance: 'lifeboat-drill-there' });
      vi.stubEnv('AWS_ACCESS_KEY_ID', `account-${OTHER}`);
      const there = targetOf(double, { instance: 'lifeboat-drill-there' });
      await untilDone((resume) => there.stages[0]?.run({}, context, resume) ?? Promise.reject(new Error('no stage')));
      expect(asked('RestoreDBInstanceFromDBSnapshot')[0]?.form.text('DBSnapshotIdentifier')).toBe(copies[1]?.arn);
      await untilDone((resume) => there.discard.run({}, context, resume));
      vi.stubEnv('AWS_ACCESS_KEY_ID', 'account-333333333333');
      await expect(target.stages[0]?.run({}, context)).rejects.toMatchObject({
        code: 'TargetProblem',
        message: expect.stringContaining('of account 333333333333'),
        hint: expect.stringContaining(`${REGION} of account ${OTHER}`),
      });
      vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');

      await source.forget?.(backup, manifest);
      expect(theirs(backup)).toBeUndefined();
      expect(names().filter((name) => name.includes(backup.toLowerCase()))).toEqual([]);
    });

    it('stay when they are to be kept, and need no right to be deleted', async () => {
      double.roles.set(role, { denies: ['DeleteDBSnapshot'] });
      const source = sourceOf(double, { ...wanted, copies: [{ ...there, keep: true }] });
      const backup = nextBackup();
      const segments = await backUp(source, backup);
      await source.forget?.(backup, { segments } as unknown as Manifest);
      expect(theirs(backup)).toBeDefined();
      const other = sourceOf(double, wanted);
      const again = nextBackup();
      const made = await backUp(other, again);
      await expect(other.forget?.(again, { segments: made } as unknown as Manifest)).rejects.toMatchObject({ code: 'PermissionDenied' });
    });

    it('are refused before anything is made where the role does not let in, or the keys cannot do it', async () => {
      const problems = async (more: Record<string, unknown>) => (await sourceOf(double, more).inspect()).problems;
      double.roles.set(role, { externalId: 'another' });
      expect(await problems(wanted)).toMatchObject([
        { code: 'CopyRefused', message: expect.stringContaining('sts:AssumeRole'), hint: expect.stringContaining('trust policy') },
      ]);
      double.roles.set(role, {});
      expect(await problems({ copies: [there] })).toMatchObject([{ code: 'SnapshotNotShareable' }]);
      const alias = `arn:aws:kms:${REGION}:${ACCOUNT}:alias/aws/rds`;
      expect(await problems({ ...wanted, share: { kmsKey: alias } })).toMatchObject([
        { code: 'SnapshotNotShareable', message: expect.stringContaining('the default key of AWS') },
      ]);
      expect(await problems({ ...wanted, copies: [{ ...there, kmsKey: undefined }] })).toMatchObject([
        { code: 'CopyNeedsKey', message: expect.stringContaining(`account ${OTHER}`) },
      ]);
      for (const kmsKey of [KEY, `arn:aws:kms:us-east-1:${OTHER}:key/theirs`])
        expect(await problems({ ...wanted, copies: [{ ...there, kmsKey }] }), kmsKey).toMatchObject([{ code: 'KeyElsewhere' }]);
      expect(await problems({ copies: [{ region: REGION, kmsKey: KEY }] })).toMatchObject([{ code: 'CopyInPlace' }]);
      expect(await problems({ share: {} })).toMatchObject([{ code: 'NobodyToShareWith' }]);
    });

    it('need no copy of their own to share where the instance has a key of the customer', async () => {
      double.roles.set(role, {});
      const instance = double.instance('sea');
      if (instance === undefined) throw new Error('no instance');
      double.state.instances.set(keyOf(here, 'bay'), { ...instance, id: 'bay', kmsKey: KEY });
      const backup = nextBackup();
      const { arn, copies } = referenceOf(await backUp(sourceOf(double, { ...wanted, instance: 'bay' }), backup));
      expect(copies).toMatchObject([{ role }]);
      expect(double.state.snapshots.get(keyOf({ region: REGION, account: OTHER }, `lifeboat-bay-${backup}`))?.sourceArn).toBe(arn);
      double.state.instances.delete(keyOf(here, 'bay'));
    });

    it('fail by name when a snapshot under the default key was to be shared after all', async () => {
      const source = sourceOf(double, { share: { accounts: [OTHER], kmsKey: defaultKey(here) } });
      await expect(backUp(source, nextBackup())).rejects.toMatchObject({
        code: 'SnapshotNotShareable',
        hint: expect.stringContaining('aws/rds'),
      });
    });
  });

  it('fail by name when their key cannot be used', async () => {
    double.state.closedKeys.add(KEY_ABROAD);
    const source = sourceOf(double, { copies: [{ region: 'eu-west-1', kmsKey: KEY_ABROAD }] });
    await expect(backUp(source, nextBackup())).rejects.toMatchObject({
      code: 'KMSKeyNotAccessible',
      message: expect.stringContaining(KEY_ABROAD),
    });
  });

  it('can be an export to S3 beside it', async () => {
    const to = { bucket: 'exports', role: `arn:aws:iam::${ACCOUNT}:role/export`, kmsKey: KEY };
    const backup = nextBackup();
    expect(referenceOf(await backUp(sourceOf(double, { export: to }), backup)).export).toEqual({
      task: `lifeboat-${backup.toLowerCase()}`,
      bucket: 'exports',
      prefix: '',
    });
    double.endWith('StartExportTask', 'FAILED');
    await expect(backUp(sourceOf(double, { export: to }), nextBackup())).rejects.toMatchObject({
      code: 'SnapshotFailed',
      message: expect.stringContaining('The S3 bucket does not exist'),
    });
  });
});

describe('forgetting a backup', () => {
  it('deletes its snapshot and copies, and nothing that carries no tag of it', async () => {
    const [backup, other] = [nextBackup(), nextBackup()];
    const source = sourceOf(double, { copies: [{ region: 'eu-west-1', kmsKey: KEY_ABROAD }] });
    const segments = await backUp(source, backup);
    await backUp(source, other);
    const before = names();
    // Configured otherwise since: the manifest says where things are.
    await sourceOf(double).forget?.(backup, { segments } as unknown as Manifest);
    const id = `lifeboat-sea-${backup.toLowerCase()}`;
    expect(before.filter((name) => !names().includes(name))).toEqual([`${REGION}/${id}`, `eu-west-1/${id}`]);
    await sourceOf(double).forget?.(backup, undefined);
    // Somebody took the tag away, or made it an automated one: it is no longer ours to delete.
    double.state.snapshots.get(keyOf(here, `lifeboat-sea-${other}`))?.tags.clear();
    await source.forget?.(other, undefined);
    expect(names()).toContain(`${REGION}/lifeboat-sea-${other.toLowerCase()}`);
    expect(names()).not.toContain(`eu-west-1/lifeboat-sea-${other.toLowerCase()}`);
  });
});

const lives = async () => false;

describe('throw-away instances', () => {
  const manifestOf = async (): Promise<Manifest> => {
    const backup = nextBackup();
    const segments = await backUp(sourceOf(double), backup);
    return { segments, details: null, backup } as unknown as Manifest;
  };
  const restoring = (manifest: Manifest, restore = 'drill-1') =>
    contextOf({ kind: 'restore', restore, manifest, scratch: true, overwrite: false });

  it('are placed as configured, unprotected, tagged with their end, and get a password that nobody knew', async () => {
    const context = restoring(await manifestOf());
    const placement = {
      subnetGroup: 'drills',
      securityGroups: ['sg-1'],
      parameterGroup: 'read-only',
      instanceClass: 'db.r6g.large',
      ttlHours: 2,
    };
    const target = targetOf(double, { instance: 'lifeboat-drill-placed', placement }, () => new Date('2026-11-21T10:00:00Z'));
    const old = double.instance('sea')?.password;
    await untilDone((resume) => target.stages[0]?.run({}, context, resume) ?? Promise.reject(new Error('no stage')));
    const made = double.instance('lifeboat-drill-placed');
    expect(Object.fromEntries(made?.tags ?? [])).toEqual({ 'lifeboat:owner': 'drill-1', 'lifeboat:expires': '2026-11-21T12:00:00.000Z' });
    expect(made).toMatchObject({
      deletionProtection: false,
      instanceClass: 'db.r6g.large',
      network: { DBSubnetGroup: { DBSubnetGroupName: 'drills' } },
    });
    expect(made?.password).not.toBe(old);
    expect((await target.inspect()).empty).toBe(false);

    // Another restore does not take it over.
    const other = targetOf(double, { instance: 'lifeboat-drill-placed' });
    await expect(other.stages[0]?.run({}, restoring(await manifestOf(), 'drill-2'))).rejects.toMatchObject({ code: 'TargetNotEmpty' });

    // Whoever tidies up before its end leaves it, and removes it after.
    expect(await sourceOf(double, {}, () => new Date('2026-11-21T11:59:59Z')).tidy?.(lives)).toEqual([]);
    expect(await sourceOf(double, {}, () => new Date('2026-11-21T12:00:00Z')).tidy?.(lives)).toEqual(['lifeboat-drill-placed']);
    await waitFor(
      async () => (await target.inspect()).empty,
      (gone) => gone,
    );
    expect(double.state.secrets.size).toBe(0);
  });

  it('are the only instances that are ever deleted', async () => {
    const context = restoring(await manifestOf());
    for (const instance of ['sea', 'lifeboat-drill-other']) {
      if (instance !== 'sea') await double.addInstance(instance, { hollow: true });
      await expect(targetOf(double, { instance }).discard.run({}, context), instance).rejects.toMatchObject({ code: 'TargetUnusable' });
    }
    await sourceOf(double, {}, () => new Date('2100-01-01')).tidy?.(lives);
    expect(asked('DeleteDBInstance')).toEqual([]);
  });

  it('are given up by a backup that ends while they are still being made', async () => {
    const backup = nextBackup();
    const source = sourceOf(double, { mode: 'clone-dump' });
    const id = `lifeboat-clone-${backup.toLowerCase()}`;
    await waitFor(
      async () => {
        await source.ready?.(backup);
        return double.instance(id)?.status.at(Date.now());
      },
      (status) => status === 'creating',
    );
    await source.abandon?.(backup);
    // Refused while it was made, asked for again, and taken.
    expect(asked('DeleteDBInstance').length).toBeGreaterThan(1);
    await waitFor(
      async () => double.instance(id)?.status.at(Date.now()) ?? 'gone',
      (status) => status === 'gone',
    );
    await source.abandon?.(backup);
    await sourceOf(double).abandon?.(backup);
  });

  it('that come to nothing fail the restore, and can be discarded', async () => {
    const context = restoring(await manifestOf());
    double.endWith('RestoreDBInstanceFromDBSnapshot', 'incompatible-restore');
    const target = targetOf(double, { instance: 'lifeboat-drill-broken' });
    const run = (resume?: Parameters<NonNullable<(typeof target.stages)[0]>['run']>[2]) =>
      target.stages[0]?.run({}, context, resume) ?? Promise.reject(new Error('no stage'));
    await expect(untilDone(run)).rejects.toMatchObject({ code: 'RestoreFailed', message: expect.stringContaining('incompatible-restore') });
    await untilDone((resume) => target.discard.run({}, context, resume));
    expect(double.instance('lifeboat-drill-broken')).toBeUndefined();
  });

  it('are removed although they were still being made when they were no longer wanted', async () => {
    const context = restoring(await manifestOf());
    const target = targetOf(double, { instance: 'lifeboat-drill-early' });
    await target.stages[0]?.run({}, context);
    expect(double.instance('lifeboat-drill-early')?.status.at(Date.now())).toBe('creating');
    await untilDone((resume) => target.discard.run({}, context, resume));
    expect(double.instance('lifeboat-drill-early')).toBeUndefined();
  });
});

it('plans the task of the snapshot without asking anybody', async () => {
  const planned = await Array.fromAsync(sourceOf(double).dump.plan(contextOf(backupInput(nextBackup()))));
  expect(planned).toEqual([{ task: { snapshot: true } }]);
  expect(double.seen).toEqual([]);
});
