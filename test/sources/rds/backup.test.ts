import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { listBackups } from '../../../src/backup/catalog.ts';
import { readAll } from '../../../src/backup/objects.ts';
import { decodeProof } from '../../../src/backup/proof.ts';
import type { Proof } from '../../../src/backup/types.ts';
import { freshDatabase, query } from '../../support/postgres.ts';
import { type AddedInstance, type RdsDouble, startRdsDouble } from '../../support/rds-double.ts';
import { openRig, type Rig } from './machines.ts';
import { waitFor } from './waiting.ts';

const CONTENT = `
CREATE TABLE boats (id int PRIMARY KEY, name text NOT NULL, upper text GENERATED ALWAYS AS (upper(name)) STORED);
INSERT INTO boats (id, name) SELECT n, 'boat ' || n FROM generate_series(1, 500) n;
CREATE TABLE ports (id serial PRIMARY KEY, place text);
INSERT INTO ports (place) VALUES ('Bergen'), ('Genua'), ('Kiel');
CREATE TABLE empty (nothing text);`;

// Real clusters are copied and started, and functions run in processes of their own.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let double: RdsDouble;
let sea: AddedInstance;
let rig: Rig | undefined;

beforeEach(async () => {
  double = await startRdsDouble();
  sea = await double.addInstance('sea', { dbName: 'postgres' });
  await query(sea.url, CONTENT);
});
afterEach(async () => {
  await rig?.close();
  rig = undefined;
  await double.stop();
});

const open = async (...options: Parameters<typeof openRig> extends [unknown, ...infer Rest] ? Rest : never): Promise<Rig> => {
  rig = await openRig(double, ...options);
  return rig;
};

const AT = () => ({ kind: 'rds', endpoint: double.endpoint, region: 'eu-central-1', sslmode: 'disable' });

const proofIn = async ({ world }: Rig): Promise<Proof> => {
  for await (const { key } of world.runtime.store.list('sea/proofs/'))
    if (key.endsWith('.json')) return decodeProof((await readAll(world.runtime.store, key)) ?? new Uint8Array());
  throw new Error('no proof');
};

const instances = (): string[] =>
  [...double.state.instances.values()]
    .filter(({ status }) => status.at(Date.now()) !== 'gone')
    .map(({ id }) => id)
    .sort();
const snapshots = (): string[] => [...double.state.snapshots.values()].map(({ id, region }) => `${region}/${id}`).sort();
const actions = (action: string) => double.seen.filter((one) => one.action === action);

describe('a snapshot as the backup', () => {
  it('is made, waited for by the state machine, and restored by a drill that says what it could not measure', async () => {
    const system = await open({});
    const made = await system.run('backup');
    expect(made.outcome).toMatchObject({ status: 'SUCCEEDED' });
    // Production saw no connection of ours but the test's own.
    const [entry] = await Array.fromAsync(listBackups(system.world.runtime.store, 'sea'));
    if (entry?.state !== 'sound') throw new Error('no sound backup');
    const { manifest } = entry;
    expect(snapshots()).toEqual([`eu-central-1/lifeboat-sea-${manifest.backup.toLowerCase()}`]);
    expect(manifest).toMatchObject({
      source: { kind: 'rds', product: 'PostgreSQL', version: '18.4', content: 'postgres' },
      pointInTime: { consistency: 'snapshot' },
      artifact: { restoreWith: 'aws rds restore-db-instance-from-db-snapshot' },
      details: null,
      digests: [],
      segments: [{ role: 'artifact', context: { kind: 'rds-snapshot', region: 'eu-central-1', database: 'postgres', engine: 'postgres' } }],
    });
    expect(actions('CreateDBSnapshot')).toHaveLength(1);
    expect(system.waits.filter((seconds) => seconds === 30).length).toBeGreaterThan(0);

    const drilled = await system.run('drill');
    const proof = await proofIn(system);
    expect(proof).toMatchObject({ verdict: 'NOT_MEASURED', failure: null, control: null });
    expect(proof.rtoSeconds).toBeGreaterThan(0);
    expect(proof.notMeasured).toContainEqual({
      what: expect.stringContaining('restored rows'),
      why: expect.stringContaining('clone-dump'),
    });
    expect(proof.checks.map(({ name, ok }) => [name, ok])).toContainEqual(['invalid indexes', true]);
    expect(drilled.outcome).toMatchObject({ status: 'FAILED', error: 'NotMeasured' });
    expect(instances()).toEqual(['sea']);
    const [restored] = actions('RestoreDBInstanceFromDBSnapshot');
    expect(restored?.form.list('VpcSecurityGroupIds')).toEqual(['sg-drills']);
    expect(restored?.form.text('DeletionProtection')).toBe('false');
    expect(restored?.form.text('DBInstanceIdentifier')).toMatch(/^lifeboat-drill-/);
    expect(double.state.secrets.size).toBe(0);
  });
});

describe('a dump of a clone', () => {
  it('has the rows of one moment with digests, and a drill of its snapshot proves them', async () => {
    await query(sea.url, 'DELETE FROM boats WHERE id = 1000');
    const system = await open({ mode: 'clone-dump' });
    const made = await system.run('backup');
    expect(made.outcome).toMatchObject({ status: 'SUCCEEDED' });
    await query(sea.url, "INSERT INTO boats (id, name) VALUES (1000, 'too late')");
    const [entry] = await Array.fromAsync(listBackups(system.world.runtime.store, 'sea'));
    if (entry?.state !== 'sound') throw new Error('no sound backup');
    const { manifest } = entry;
    expect(manifest.digests.map(({ name, rows }) => [name, rows])).toContainEqual(['public.boats', '500']);
    expect(manifest).toMatchObject({ pointInTime: { consistency: 'quiesced' }, artifact: { format: 'PostgreSQL script' } });
    expect(manifest.segments.filter(({ role }) => role === 'inventory')).toHaveLength(1);
    // The clone goes once the dump has ended; RDS takes its time.
    expect(actions('DeleteDBInstance').length).toBeGreaterThan(0);

    const drilled = await system.run('drill');
    const proof = await proofIn(system);
    expect(proof).toMatchObject({ verdict: 'PASSED', control: { ok: true }, notMeasured: [], failure: null });
    expect(proof.checks.filter(({ class: name }) => name === 'public.boats')).toMatchObject([{ ok: true }, { ok: true }]);
    expect(drilled.outcome).toMatchObject({ status: 'SUCCEEDED' });
    expect(instances()).toEqual(['sea']);
  });

  it('restores to a new instance of its snapshot, and as a script to any server', async () => {
    const other = await freshDatabase();
    const { hostname: host, port } = new URL(other.url);
    const elsewhere = { kind: 'postgres', host, port: Number(port), database: other.name, user: 'postgres', sslmode: 'disable' };
    const system = await open({ mode: 'clone-dump' }, { elsewhere });
    await system.run('backup');
    const restored = await system.run('restore', { backup: 'latest', target: 'restored' });
    expect(restored.outcome).toMatchObject({ status: 'SUCCEEDED', output: { verdict: 'PASSED' } });
    expect(instances()).toContain('restored');
    // Nobody's to delete: it has no end.
    expect(Object.keys(Object.fromEntries(double.instance('restored')?.tags ?? []))).toEqual(['lifeboat:owner']);
    const again = await system.run('restore', { backup: 'latest', target: 'restored' });
    expect(again.outcome).toMatchObject({ status: 'FAILED', error: 'TargetNotEmpty' });
    const loaded = await system.run('restore', { backup: 'latest', target: 'elsewhere' });
    expect(loaded.outcome).toMatchObject({ status: 'SUCCEEDED', output: { verdict: 'PASSED' } });
    await other.drop();
  });

  it('is not proven by a snapshot whose rows are others', async () => {
    const system = await open({ mode: 'clone-dump' });
    await system.run('backup');
    const ours = double.state.snapshots.values().next().value;
    await query(sea.url, "UPDATE boats SET name = 'another boat' WHERE id = 77");
    await system.run('backup');
    const [, later] = [...double.state.snapshots.values()];
    if (ours === undefined || later?.folder === undefined) throw new Error('no two snapshots');
    ours.folder = later.folder;
    const drilled = await system.run('drill', { backup: ours.tags.get('lifeboat:backup') ?? '' });
    expect(drilled.outcome).toMatchObject({ status: 'FAILED', error: 'DrillFailed' });
    const proof = await proofIn(system);
    const failed = proof.checks.filter(({ ok }) => !ok).map((check) => check.class);
    expect(new Set(failed)).toEqual(new Set(['public.boats', 'public.boats (generated)']));
    expect(instances()).toEqual(['sea']);
  });

  it('leaves no clone when the dump fails, nor when the clone cannot be dumped', async () => {
    const system = await open({ mode: 'clone-dump', fernetKey: 'env:NOT_SET_ANYWHERE' });
    const failed = await system.run('backup');
    expect(failed.outcome).toMatchObject({ status: 'FAILED', error: 'SecretMissing' });
    expect(actions('DeleteDBInstance')).toHaveLength(1);
    await waitFor(
      async () => instances(),
      (left) => left.length === 1,
    );
    await query(sea.url, 'SELECT lo_create(4711)');
    const refused = await system.run('backup');
    expect(refused.outcome).toMatchObject({ status: 'FAILED', error: 'SourceProblem', cause: expect.stringContaining('LargeObjects') });
    expect(actions('DeleteDBInstance')).toHaveLength(2);
  });
});

describe('a drill of rows on an empty instance', () => {
  const create = { engine: 'postgres', version: '18.4' };
  const placement = { instanceClass: 'db.t4g.medium', securityGroups: ['sg-drills'], ttlHours: 3 };

  it('makes it, proves every row of a database that is not in RDS at all, and removes it', async () => {
    const other = await freshDatabase();
    await query(other.url, CONTENT);
    const { hostname: host, port } = new URL(other.url);
    const system = await open(
      { kind: 'postgres', host, port: Number(port), database: other.name, user: 'postgres', sslmode: 'disable' },
      { drills: { ...AT(), instance: 'drills', create, placement } },
    );
    expect((await system.run('backup')).outcome).toMatchObject({ status: 'SUCCEEDED' });
    const drilled = await system.run('drill');
    const proof = await proofIn(system);
    expect(proof).toMatchObject({ verdict: 'PASSED', control: { ok: true }, failure: null, notMeasured: [] });
    expect(proof.phases.map(({ name }) => name)).toEqual(expect.arrayContaining(['make-instance', 'load', 'audit']));
    expect(drilled.outcome).toMatchObject({ status: 'SUCCEEDED' });
    const [made] = actions('CreateDBInstance');
    expect(made?.form.text('DBInstanceIdentifier')).toMatch(/^lifeboat-drill-/);
    expect(made?.form.text('StorageEncrypted')).toBe('true');
    expect(made?.form.text('MasterUserPassword')).toBeUndefined();
    expect(made?.form.tags().has('lifeboat:expires')).toBe(true);
    expect(instances()).toEqual(['sea']);
    expect(double.state.secrets.size).toBe(0);
    await other.drop();
  });
});

describe("what AWS Backup's restore testing has restored", () => {
  const restored = (id: string) => ({ resource: `arn:aws:rds:eu-central-1:123456789012:db:${id}`, job: `job-${id}` });

  it('is audited as it is, and AWS Backup is told; nothing of it is changed or deleted', async () => {
    const secret = join(await mkdtemp(join(tmpdir(), 'rds-password-')), 'password');
    const system = await open(
      { mode: 'clone-dump' },
      { drills: { ...AT(), instance: 'drills', user: 'postgres', password: `file:${secret}` } },
    );
    await system.run('backup');
    const before = double.seen.length;
    const { url } = await double.addInstance('awsbackup-restore-test-1', { dbName: 'postgres' });
    await query(url, `${CONTENT} DELETE FROM boats WHERE id < 100`);
    await writeFile(secret, decodeURIComponent(new URL(url).password));
    const audited = await system.run('restore', { restored: restored('awsbackup-restore-test-1') });
    expect(audited.outcome).toMatchObject({ status: 'SUCCEEDED', output: { verdict: 'PASSED' } });
    expect(double.state.validations.get('job-awsbackup-restore-test-1')).toMatchObject({
      ValidationStatus: 'SUCCESSFUL',
      ValidationStatusMessage: expect.stringMatching(/^every row was read, and \d+ checks hold; .* not measured$/),
    });
    expect(new Set(double.seen.slice(before).map(({ action }) => action))).toEqual(new Set(['DescribeDBInstances']));

    const broken = 'UPDATE pg_index SET indisvalid = false WHERE indrelid = $$boats$$::regclass';
    await query(url, broken);
    expect((await system.run('restore', { restored: restored('awsbackup-restore-test-1') })).outcome).toMatchObject({
      status: 'FAILED',
      error: 'DigestMismatch',
    });
    expect(double.state.validations.get('job-awsbackup-restore-test-1')).toMatchObject({
      ValidationStatus: 'FAILED',
      ValidationStatusMessage: expect.stringContaining('invalid indexes'),
    });
    expect((await system.run('restore', { restored: restored('nowhere') })).outcome).toMatchObject({
      status: 'FAILED',
      error: 'TargetProblem',
    });
    expect(double.state.validations.get('job-nowhere')).toMatchObject({
      ValidationStatus: 'FAILED',
      ValidationStatusMessage: expect.stringContaining('there is no instance nowhere'),
    });
    await rm(dirname(secret), { recursive: true });
  });
});

describe('an Aurora cluster', () => {
  it('is dumped from a clone with an instance of its own, and a drill of its snapshot proves the rows', async () => {
    const aurora = await double.addInstance('pacific', { dbName: 'postgres', aurora: true });
    await query(aurora.url, CONTENT);
    const placement = { instanceClass: 'db.t4g.medium' };
    const system = await open(
      { instance: 'pacific', cluster: true, mode: 'clone-dump', placement },
      { drills: { ...AT(), instance: 'drills', cluster: true, placement } },
    );
    const made = await system.run('backup');
    expect(made.outcome).toMatchObject({ status: 'SUCCEEDED' });
    const drilled = await system.run('drill');
    expect(await proofIn(system)).toMatchObject({ verdict: 'PASSED', control: { ok: true }, failure: null, notMeasured: [] });
    expect(drilled.outcome).toMatchObject({ status: 'SUCCEEDED' });
    await waitFor(
      async () => [...double.clusters.instances.values()].filter(({ status }) => status.at(Date.now()) !== 'gone'),
      (left) => left.length === 1,
    );
    expect(instances()).toEqual(['pacific-1', 'sea']);
    expect(actions('CreateDBInstance')).toHaveLength(2);
  });
});

describe('the life of snapshots', () => {
  it('ends with their backups, while those of others stay', async () => {
    const system = await open({ retention: { last: 1 } });
    await system.run('backup');
    const [first] = snapshots();
    const stranger = [...double.state.snapshots.values()][0];
    if (stranger === undefined) throw new Error('no snapshot');
    for (const type of ['manual', 'automated'] as const)
      double.state.snapshots.set(type, { ...stranger, id: `${type}-of-others`, type, tags: new Map([['app', 'catalog']]) });
    const second = await system.run('backup');
    expect(second.outcome).toMatchObject({ status: 'SUCCEEDED' });
    expect(snapshots()).not.toContain(first);
    expect(snapshots()).toEqual(expect.arrayContaining(['eu-central-1/automated-of-others', 'eu-central-1/manual-of-others']));
    expect(snapshots()).toHaveLength(3);
    expect(await Array.fromAsync(listBackups(system.world.runtime.store, 'sea'))).toHaveLength(1);
  });

  it('makes a drill fail when it ended too early', async () => {
    const system = await open({});
    await system.run('backup');
    double.state.snapshots.clear();
    await system.run('drill');
    const proof = await proofIn(system);
    expect(proof).toMatchObject({ verdict: 'FAILED', failure: { code: 'NoSuchObject' } });
    expect(instances()).toEqual(['sea']);
  });

  it('ends in a drill that fails when nothing can be restored of one, and the instance goes', async () => {
    const system = await open({});
    await system.run('backup');
    double.endWith('RestoreDBInstanceFromDBSnapshot', 'incompatible-restore');
    await system.run('drill');
    expect(await proofIn(system)).toMatchObject({ verdict: 'FAILED', failure: { code: 'RestoreFailed' } });
    expect(instances()).toEqual(['sea']);
  });

  it('is written down without a password', async () => {
    const passwords: string[] = [sea.url];
    const system = await open({ mode: 'clone-dump' });
    const values = double.state.secrets;
    const set = values.set.bind(values);
    values.set = (arn, value) => {
      passwords.push(JSON.parse(value).password);
      return set(arn, value);
    };
    await system.run('backup');
    await system.run('drill');
    expect(passwords).toHaveLength(3);
    const told = `${JSON.stringify(system.progress)}${await everything(system)}`;
    expect(told).toContain('lifeboat-drill-');
    for (const password of passwords) expect(told.includes(password)).toBe(false);
  });
});

describe('the janitor', () => {
  it('removes a clone once its time is over, or its backup is', async () => {
    const system = await open({});
    await system.run('backup');
    const [entry] = await Array.fromAsync(listBackups(system.world.runtime.store, 'sea'));
    for (const [id, expires, owner] of [
      ['lifeboat-clone-old', '2020-01-01T00:00:00Z', 'somebody'],
      ['lifeboat-clone-of-ended', '2100-01-01T00:00:00Z', entry?.backup ?? ''],
      ['lifeboat-clone-new', '2100-01-01T00:00:00Z', '20261121T013000Z-4f2a'],
    ] as const) {
      await double.addInstance(id, { tags: { 'lifeboat:expires': expires, 'lifeboat:owner': owner } });
      const made = double.instance(id);
      if (made !== undefined) made.deletionProtection = false;
    }
    expect(await system.invoke('janitor')).toMatchObject({ expired: ['lifeboat-clone-old', 'lifeboat-clone-of-ended'] });
    await waitFor(
      async () => instances(),
      (left) => left.length === 2,
    );
    expect(instances()).toEqual(['lifeboat-clone-new', 'sea']);
  });
});

/** All objects of store and control area as text. */
const everything = async ({ world }: Rig): Promise<string> => {
  const texts: string[] = [];
  for (const store of [world.runtime.store, world.runtime.control])
    for await (const { key } of store.list('')) texts.push(Buffer.from((await readAll(store, key)) ?? []).toString('latin1'));
  return texts.join('\n');
};
