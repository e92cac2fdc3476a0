import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listBackups } from '../../../src/backup/catalog.ts';
import { readAll } from '../../../src/backup/objects.ts';
import { decodeProof } from '../../../src/backup/proof.ts';
import type { Proof } from '../../../src/backup/types.ts';
import { query } from '../../support/postgres.ts';
import { RdsError } from '../../support/rds-double/query.ts';
import { type AddedInstance, type RdsDouble, startRdsDouble } from '../../support/rds-double.ts';
import { openRig, type Rig } from './machines.ts';

const CONTENT = `
CREATE TABLE boats (id int PRIMARY KEY, name text NOT NULL, upper text GENERATED ALWAYS AS (upper(name)) STORED);
INSERT INTO boats (id, name) SELECT n, 'boat ' || n FROM generate_series(1, 500) n;
CREATE TABLE ports (id serial PRIMARY KEY, place text);
INSERT INTO ports (place) VALUES ('Bergen'), ('Genua'), ('Kiel');
CREATE TABLE empty (nothing text);`;

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

const proofIn = async ({ world }: Rig): Promise<Proof> => {
  for await (const { key } of world.runtime.store.list('sea/proofs/'))
    if (key.endsWith('.json')) return decodeProof((await readAll(world.runtime.store, key)) ?? new Uint8Array());
  throw new Error('no proof');
};

const instances = (): string[] => [...double.state.instances.values()].map(({ id }) => id).sort();
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
    expect(proof.notMeasured).toContainEqual({ what: expect.stringContaining('restored rows'), why: expect.stringContaining('clone-dump') });
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

  it('removes the clone when the dump fails', async () => {
    await query(sea.url, 'SELECT lo_create(4711)');
    const system = await open({ mode: 'clone-dump' });
    const failed = await system.run('backup');
    expect(failed.outcome).toMatchObject({ status: 'FAILED', error: 'SourceProblem', cause: expect.stringContaining('LargeObjects') });
    expect(actions('DeleteDBInstance')).toHaveLength(1);
  });
});

describe('what RDS refuses', () => {
  it.each([
    ['SnapshotQuotaExceeded', 'CreateDBSnapshot', 'SnapshotQuotaExceeded'],
    ['KMSKeyNotAccessibleFault', 'CreateDBSnapshot', 'KMSKeyNotAccessible'],
    ['InvalidDBInstanceState', 'CreateDBSnapshot', 'InvalidDBInstanceState'],
    ['AccessDenied', 'CreateDBSnapshot', 'PermissionDenied'],
  ])('%s of %s is %s', async (code, action, name) => {
    const system = await open({});
    double.fail(action, new RdsError(code, 400, 'by plan'));
    const failed = await system.run('backup');
    expect(failed.outcome).toMatchObject({ status: 'FAILED', error: name, cause: expect.stringContaining('by plan') });
    expect(await Array.fromAsync(listBackups(system.world.runtime.store, 'sea'))).toEqual([]);
  });
});
