import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { kinds } from '../../src/sources/registry.ts';
import { deployableOf, exampleWith, ROOT } from './support.ts';

type Change = Parameters<typeof exampleWith>[0];

const synth = (...args: string[]) =>
  spawnSync(join(ROOT, 'node_modules/.bin/node'), [join(ROOT, 'infra/app.ts')], {
    encoding: 'utf8',
    env: {
      PATH: process.env['PATH'],
      CDK_CONTEXT_JSON: JSON.stringify(Object.fromEntries(args.map((arg) => arg.split('=')))),
      CDK_OUTDIR: '/nonexistent',
    },
  });

describe('an environment that is to be deployed', () => {
  it('is the example, whole', () => {
    const { name, store, control, sources } = deployableOf(exampleWith());
    expect({ name, store, control }).toEqual({
      name: 'example',
      store: { bucket: 'acme-lifeboat-store', prefix: 'prod/', objectLock: { mode: 'GOVERNANCE', days: 35 } },
      control: { bucket: 'acme-lifeboat-control', prefix: 'prod/' },
    });
    expect(sources.length).toBeGreaterThan(0);
    expect(sources[0]).toMatchObject({ name: 'catalog-prod', sourceSecrets: [expect.stringContaining('catalog-prod-AbCdEf')] });
  });

  it('shows a source of every kind', () => {
    const { sources } = deployableOf(exampleWith()).environment;
    expect([...new Set(Object.values(sources).map(({ kind }) => kind))].sort()).toEqual(kinds.map(({ kind }) => kind).sort());
  });

  it('tells the secrets of a source from those of its targets', () => {
    const [source] = deployableOf(exampleWith()).sources;
    expect(source?.targetSecrets).toHaveLength(2);
    expect(source?.scratchSecrets).toEqual([expect.stringContaining('lifeboat/drills-')]);
    expect(source?.targetSecrets).not.toContain(source?.sourceSecrets[0]);
  });

  it.each<[string, Change, RegExp]>([
    ['has no deployment', (raw) => Reflect.deleteProperty(raw, 'deployment'), /deployment is missing/],
    [
      'has a folder as its store',
      (raw) => Object.assign(raw, { store: 'file:///var/lifeboat' }),
      /store is file:\/\/\/var\/lifeboat, a folder/,
    ],
    [
      'has another server than S3',
      (raw) => Object.assign(raw.store, { endpoint: 'http://minio:9000' }),
      /store\.endpoint names another server/,
    ],
    [
      'has its store elsewhere',
      (raw) => Object.assign(raw.store, { region: 'eu-west-1' }),
      /store\.region is eu-west-1, and deployment\.region is eu-central-1/,
    ],
    ['keeps control under Object Lock', (raw) => Reflect.deleteProperty(raw, 'control'), /control has to be another bucket/],
    [
      'locks control',
      (raw) => Object.assign(raw.control, { objectLock: { mode: 'GOVERNANCE', days: 1 } }),
      /control\.objectLock cannot be/,
    ],
    [
      'has a secret of this machine',
      (raw) => Object.assign(raw.sources['catalog-prod'], { password: 'env:PGPASSWORD' }),
      /sources\.catalog-prod\.password is env:PGPASSWORD, which a function on AWS does not have/,
    ],
    [
      'has a secret in clear text',
      (raw) => Object.assign(raw.targets.standby, { inlinePassword: 'hunter2' }),
      /targets\.standby\.inlinePassword is a secret in clear text/,
    ],
    [
      'has half an ARN',
      (raw) => Object.assign(raw.targets.drills, { password: 'secretsmanager:arn:aws:drills' }),
      /targets\.drills\.password .* not the whole ARN/,
    ],
    [
      'encrypts only perhaps',
      (raw) => Object.assign(raw.sources['catalog-prod'], { sslmode: 'prefer' }),
      /sources\.catalog-prod\.sslmode is prefer/,
    ],
    [
      'measures a step that is none',
      (raw) => Object.assign(raw.deployment, { functions: { 'dump-chunk': { memoryMb: 512 } } }),
      /deployment\.functions\.dump-chunk is no step/,
    ],
    [
      'reserves fewer functions than a Map calls at once',
      (raw) => Object.assign(raw.deployment, { functions: { 'dump-task': { reservedConcurrency: 3 } } }),
      /deployment\.functions\.dump-task\.reservedConcurrency is 3, and \S+ runs \d of them at once/,
    ],
    [
      'reserves one lane of two',
      (raw) => Object.assign(raw.deployment, { functions: { hold: { reservedConcurrency: 1 } } }),
      /deployment\.functions\.hold\.reservedConcurrency is 1, and \S+ runs 2 of them/,
    ],
    [
      'has a source whose name is too long',
      (raw) => Object.assign(raw.sources, { [`a${'b'.repeat(39)}`]: raw.sources['catalog-prod'] }),
      /makes the name example-ab+-\S+, which has \d+ characters/,
    ],
    ['has no sources', (raw) => Object.assign(raw, { sources: {}, deployment: { ...raw.deployment, storage: {} } }), /sources is empty/],
    [
      'has a server of one machine',
      (raw) => Object.assign(raw, { embedded: { postgres: { port: 25432, folder: 'pg' } } }),
      /embedded is a server of one machine/,
    ],
  ])('is refused when it %s', (_, change, message) => {
    expect(() => deployableOf(exampleWith(change))).toThrow(message);
  });

  it.each<[string, Change, RegExp]>([
    ['the account', (raw) => Object.assign(raw.deployment, { account: '12345' }), /deployment\.account: expected the 12 digits/],
    ['the number of subnets', (raw) => raw.deployment.vpc.subnets.pop(), /deployment\.vpc\.subnets: expected as many as availabilityZones/],
    [
      'the route tables of endpoints',
      (raw) => Reflect.deleteProperty(raw.deployment.vpc, 'routeTables'),
      /deployment\.vpc\.routeTables: expected one for each subnet/,
    ],
    ['an unknown field', (raw) => Object.assign(raw.deployment, { acount: '1' }), /deployment\.acount: unknown field/],
    [
      'a ping on failures',
      (raw) => Object.assign(raw.deployment.notifications.webhooks[1] ?? {}, { on: 'failure' }),
      /deployment\.notifications\.webhooks\.1\.on: expected success/,
    ],
    [
      'a webhook about nothing',
      (raw) => Object.assign(raw.deployment.notifications.webhooks[1] ?? {}, { about: ['prod-catalog-backup'] }),
      /deployment\.notifications\.webhooks\.1\.about has prod-catalog-backup, which is neither a machine nor an alarm/,
    ],
    ['days that CloudWatch does not keep', (raw) => Object.assign(raw.deployment, { logDays: 42 }), /deployment\.logDays: /],
  ])('names the field when it is %s', (_, change, message) => {
    expect(() => deployableOf(exampleWith(change))).toThrow(message);
  });

  it('refuses a name that cannot be part of names', () => {
    expect(() => deployableOf(exampleWith(), 'Prod_1')).toThrow(/its name is part of every name/);
  });

  it.each<[string, string[], RegExp]>([
    ['an environment that is not there', ['env=nope'], /^error: no environment nope .*\nhint: There is .*example/],
    ['no environment', [], /^error: which environment is meant\?\nhint: Add -c env=<name>/],
    ['a store in a folder', ['env=local'], /^error: environment local cannot be deployed: store is file:/],
  ])('ends the synthesis before it begins for %s', (_, args, message) => {
    const { status, stderr } = synth(...args);
    expect(stderr).toMatch(message);
    expect(status).toBe(1);
  });
});
