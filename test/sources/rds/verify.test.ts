import { PassThrough } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Progress } from '../../../src/backup/progress.ts';
import type { Manifest } from '../../../src/backup/types.ts';
import { dumpInto } from '../../../src/local/direct.ts';
import { verifySnapshots } from '../../../src/sources/rds/verify.ts';
import { systemOf } from '../../../src/sources/registry.ts';
import { query } from '../../support/postgres.ts';
import { RdsError } from '../../support/rds-double/query.ts';
import { keyOf, type Snapshot } from '../../support/rds-double/state.ts';
import { timeline } from '../../support/rds-double/status.ts';
import { ACCOUNT, type RdsDouble, REGION, startRdsDouble } from '../../support/rds-double.ts';
import { backUp, backupId, sourceOf } from './driver.ts';

const OTHER = '210987654321';
const ROLE = `arn:aws:iam::${OTHER}:role/lifeboat-copies`;
const BACKUP = backupId('20261121T013000Z-4f2a');
const NAME = `lifeboat-sea-${BACKUP.toLowerCase()}`;

// Real clusters are copied and started.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let double: RdsDouble;
beforeAll(async () => {
  double = await startRdsDouble();
  const { url } = await double.addInstance('sea', { dbName: 'postgres' });
  await query(url, 'CREATE TABLE boats AS SELECT n AS id FROM generate_series(1, 100) n');
});
afterAll(() => double.stop());
beforeEach(() => {
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(name, 'test');
  for (const service of ['STS', 'RDS']) vi.stubEnv(`AWS_ENDPOINT_URL_${service}`, double.endpoint);
  double.roles.set(ROLE, {});
});
afterEach(() => vi.unstubAllEnvs());

describe('verifying a backup that is a snapshot', () => {
  let manifest: Manifest;
  let snapshot: Snapshot;
  beforeAll(async () => {
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(name, 'test');
    vi.stubEnv('AWS_ENDPOINT_URL_STS', double.endpoint);
    double.roles.set(ROLE, {});
    const segments = await backUp(sourceOf(double, { copies: [{ region: REGION, role: ROLE }] }), BACKUP);
    manifest = { segments, details: null, backup: BACKUP } as unknown as Manifest;
    const found = double.state.snapshots.get(keyOf({ region: REGION, account: ACCOUNT }, NAME));
    if (found === undefined) throw new Error('no snapshot');
    snapshot = found;
  });
  const put = (change: Partial<Snapshot>) => double.state.snapshots.set(keyOf(snapshot, NAME), { ...snapshot, ...change });
  afterEach(() => void put({}));

  it('asks RDS about the snapshot and its copies', async () => {
    expect(await verifySnapshots(manifest)).toEqual({ summary: 'RDS: 2 of 2 snapshots asked about', flaws: [], notMeasured: [] });
  });

  it('names what is gone, broken, another one, or under another key', async () => {
    const flawOf = async () => (await verifySnapshots(manifest)).flaws;
    const named = (message: RegExp) => [{ key: snapshot.arn, message: expect.stringMatching(message), outside: true }];
    put({ status: timeline(0, [], 'failed') });
    expect(await flawOf()).toEqual(named(/status is failed/));
    put({ startedAt: snapshot.startedAt + 1000 });
    expect(await flawOf()).toEqual(named(/its time was .* and is /));
    put({ kmsKey: 'arn:aws:kms:eu-central-1:123456789012:key/other' });
    expect(await flawOf()).toEqual(named(/its key was none, and is arn:aws:kms/));
    put({ tags: new Map() });
    expect(await flawOf()).toEqual(named(/no tag lifeboat:backup/));
    double.state.snapshots.delete(keyOf(snapshot, NAME));
    expect(await flawOf()).toEqual(named(/is gone/));
  });

  it('says NOT MEASURED where it could not ask: no rights, no way, another account', async () => {
    const notMeasured = async () => {
      const proof = await verifySnapshots(manifest);
      expect(proof.flaws).toEqual([]);
      return proof.notMeasured;
    };
    double.fail('DescribeDBSnapshots', new RdsError('AccessDenied', 403, 'by plan'));
    expect(await notMeasured()).toEqual([
      { what: `the snapshot ${snapshot.arn}`, why: expect.stringMatching(/^PermissionDenied: .*by plan/) },
    ]);
    double.roles.clear();
    expect(await notMeasured()).toMatchObject([
      { what: expect.stringMatching(/^a copy .*210987654321/), why: expect.stringContaining('sts:AssumeRole') },
    ]);
    double.roles.set(ROLE, {});
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'account-333333333333');
    expect(await notMeasured()).toMatchObject([{ why: expect.stringContaining('another account than these credentials (333333333333)') }]);
    vi.stubEnv('AWS_ENDPOINT_URL_STS', 'http://127.0.0.1:9');
    expect(await notMeasured()).toMatchObject([
      { why: expect.stringContaining('ConnectionLost') },
      { why: expect.stringContaining('ConnectionLost') },
    ]);
  });

  it('leaves the verdict to the rows where the backup has them', async () => {
    double.fail('DescribeDBSnapshots', new RdsError('AccessDenied', 403, 'by plan'), 2);
    const proof = await verifySnapshots({ ...manifest, details: {} });
    expect(proof).toEqual({
      summary: expect.stringMatching(/^RDS: 0 of 2 snapshots asked about; not the snapshot .*by plan/),
      flaws: [],
      notMeasured: [],
    });
  });
});

describe('a system that AWS Backup restored', () => {
  const drills = systemOf({ kind: 'rds', address: { instance: 'drills', region: 'eu-west-1', user: 'u', password: 'env:P' } });

  it('is reached as drills are, by its ARN', () => {
    const { address, redacted } = drills.restored('arn:aws:rds:eu-central-1:123456789012:cluster:awsbackup-restore-test-1');
    expect(address).toMatchObject({
      instance: 'awsbackup-restore-test-1',
      region: 'eu-central-1',
      cluster: true,
      user: 'u',
      password: 'env:P',
    });
    expect(redacted).toBe('rds://awsbackup-restore-test-1?region=eu-central-1');
  });

  it('is of RDS', () => {
    expect(() => drills.restored('arn:aws:ec2:eu-central-1:123456789012:volume/vol-1')).toThrow(expect.objectContaining({ code: 'Usage' }));
    const other = systemOf({ kind: 'postgres', address: { host: 'h', database: 'd', user: 'u' } });
    expect(() => other.restored('arn:aws:rds:eu-central-1:123456789012:db:x')).toThrow(expect.objectContaining({ code: 'Unsupported' }));
  });
});

describe('a dump without a store', () => {
  const left = () => [...double.state.snapshots.values()].map(({ id }) => id).filter((id) => id !== NAME);
  const dump = async (more: Record<string, unknown>, suffix: string) => {
    const out = new PassThrough();
    const written = Array.fromAsync(out);
    const told: Progress[] = [];
    const source = sourceOf(double, more);
    // Half a minute between two looks would be too long here.
    const hurried: typeof source = {
      ...source,
      ready: async (id) => hurry(await source.ready?.(id)),
      dump: {
        ...source.dump,
        run: async (...given) => {
          const part = await source.dump.run(...given);
          return part.next === undefined ? part : { ...part, next: { ...part.next, afterSeconds: 0.05 } };
        },
      },
    };
    try {
      const backup = backupId(`20261121T0140${suffix}Z-4f2a`);
      return await dumpInto(hurried, out, { backup, signal: new AbortController().signal, report: (progress) => void told.push(progress) });
    } finally {
      out.end();
      const text = Buffer.concat(await written).toString();
      texts.push(text);
      warnings.push(...told.flatMap((each) => (each.type === 'warning' ? [each.message] : [])));
    }
  };
  const texts: string[] = [];
  const warnings: string[] = [];
  const hurry = <T extends { readonly afterSeconds: number } | undefined>(later: T) =>
    later === undefined ? undefined : { ...later, afterSeconds: 0.05 };

  it('leaves nothing where the rows are in it', async () => {
    const { conclusion, digests } = await dump({ mode: 'clone-dump' }, '01');
    expect(conclusion.needs).toBeUndefined();
    expect(digests).toMatchObject([{ rows: '100' }]);
    expect(texts.at(-1)).toContain('CREATE TABLE');
    expect(left()).toEqual([]);
  });

  it('names the snapshot that it lives by, which stays', async () => {
    const { conclusion } = await dump({}, '02');
    const [id] = left();
    expect(conclusion.needs).toBe(`RDS snapshot arn:aws:rds:${REGION}:${ACCOUNT}:snapshot:${id}`);
    expect(JSON.parse(texts.at(-1) ?? '')).toMatchObject({ snapshot: id });
    double.state.snapshots.delete(keyOf({ region: REGION, account: ACCOUNT }, id ?? ''));
  });

  it('leaves nothing when it fails, or says what is still there', async () => {
    double.endWith('CreateDBSnapshot', 'failed');
    await expect(dump({}, '03')).rejects.toMatchObject({ code: 'SnapshotFailed' });
    expect(left()).toEqual([]);
    double.endWith('CreateDBSnapshot', 'failed');
    double.fail('DeleteDBSnapshot', new RdsError('AccessDenied', 403, 'by plan'));
    await expect(dump({}, '04')).rejects.toMatchObject({ code: 'SnapshotFailed' });
    expect(warnings).toEqual([
      expect.stringMatching(/may still be there: PermissionDenied: deleting snapshot lifeboat-sea-20261121t014004z-4f2a/),
    ]);
  });
});
