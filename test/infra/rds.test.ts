import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { BackupId, Manifest, Receipt, Segment } from '../../src/backup/types.ts';
import type { Purpose } from '../../src/environment/steps.ts';
import type { Services, Source } from '../../src/sources/contract.ts';
import { engines } from '../../src/sources/engines.ts';
import { RdsAddressSchema } from '../../src/sources/rds/address.ts';
import { rdsSource } from '../../src/sources/rds/source.ts';
import { rdsTarget } from '../../src/sources/rds/target.ts';
import { backupInput, contextOf, servicesOf, untilDone } from '../sources/rds/driver.ts';
import { waitFor } from '../sources/rds/waiting.ts';
import { query } from '../support/postgres.ts';
import { ACCOUNT, type RdsDouble, REGION, startRdsDouble } from '../support/rds-double.ts';
import type { Need } from './cloud/needs.ts';
import { rdsNeeds } from './cloud/rds-needs.ts';
import { decide } from './cloud/simulate.ts';
import { type Cloud, cloudOf } from './cloud/template.ts';
import { exampleWith, resourcesOf, type Synthesized, sourceStack, synthesized } from './support.ts';

/**
 * What rds-voyage.test.ts does not see: copies in other accounts, Aurora, empty instances, tokens, restore testing. The kind `rds` is
 * driven by what its functions are for, and what it calls is put to the policies that would be deployed.
 */

const OTHER = '210987654321';
const ROLE = `arn:aws:iam::${OTHER}:role/lifeboat-copies`;
const key = (region: string, account = ACCOUNT): string => `arn:aws:kms:${region}:${account}:key/01234567-89ab-cdef-0123-456789abcdef`;

const placement = { instanceClass: 'db.t4g.medium', subnetGroup: 'lifeboat', parameterGroup: 'quiet' };
const SOURCES = {
  snaps: {
    instance: 'sea',
    copies: [
      { region: 'eu-west-1', kmsKey: key('eu-west-1') },
      { region: REGION, kmsKey: key(REGION, OTHER), role: ROLE },
    ],
    share: { kmsKey: key(REGION) },
    export: { bucket: 'exports', role: `arn:aws:iam::${ACCOUNT}:role/export`, kmsKey: key(REGION) },
  },
  clones: { instance: 'sea', mode: 'clone-dump', placement },
  aurora: {
    instance: 'pacific',
    mode: 'clone-dump',
    cluster: true,
    placement,
    copies: [{ region: 'eu-west-1' }, { region: REGION, role: ROLE }],
  },
};
/** Its copy in another account is never removed. */
const KEPT = { ...SOURCES.snaps, copies: SOURCES.snaps.copies.map((copy) => ({ ...copy, keep: true })) };
/** Where rows of a database go that need not be in RDS. */
const EMPTY = { instance: 'drills', placement, create: { engine: 'postgres' } };
/** Of AWS Backup: what it restores is audited. */
const PLAN = `arn:aws:backup:${REGION}:${ACCOUNT}:restore-testing-plan:weekly-0123`;
type Name = keyof typeof SOURCES;
const drills = (name: Name) => ({ instance: 'drills', cluster: name === 'aurora', placement });

// Real clusters are copied and started.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 180_000 });

let double: RdsDouble;
let cloud: Cloud;
let whole: Synthesized;
const needs: Need[] = [];

const arn = (region: string, resource: string): string => `arn:aws:rds:${region}:${ACCOUNT}:${resource}`;

/** Does what functions of a purpose do, and keeps what that needs. Calls of another account's role are that account's matter. */
const as = async <T>(purpose: Purpose, name: Name, work: () => Promise<T>): Promise<T> => {
  const from = double.seen.length;
  const result = await work();
  for (const { account, region, body } of double.seen.slice(from))
    if (account === ACCOUNT) needs.push(...rdsNeeds({ by: `example-${name}-${purpose}`, region, body }));
  return result;
};

/** Passwords that RDS keeps are read by whoever logs in; their tag says of what. */
const servicesAs = (purpose: Purpose, name: Name): Services => {
  const services = servicesOf(double);
  return {
    ...services,
    secret: async (reference) => {
      const [, resource = '', kind = '', id = ''] = /^secretsmanager:(\S+:secret:rds!(db|cluster)-(\S+)-AbCdEf)$/.exec(reference) ?? [];
      const tag = kind === 'db' ? 'aws:rds:primaryDBInstanceArn' : 'aws:rds:primaryDBClusterArn';
      needs.push({
        by: `example-${name}-${purpose}`,
        action: 'secretsmanager:GetSecretValue',
        resource,
        context: { [`aws:ResourceTag/${tag}`]: arn(REGION, `${kind}:${id}`) },
      });
      return services.secret(reference);
    },
  };
};

const addressOf = (raw: unknown) =>
  RdsAddressSchema.parse({ region: REGION, endpoint: double.endpoint, sslmode: 'disable', ...(raw as object) });

/** A backup, a drill of its snapshot, and its end. */
const live = async (name: Name): Promise<void> => {
  const source = (purpose: Purpose): Source => rdsSource(addressOf(SOURCES[name]), servicesAs(purpose, name), engines);
  const backup = `20261121T0130${String(Object.keys(SOURCES).indexOf(name)).padStart(2, '0')}Z-4f2a` as BackupId;
  expect((await as('planner', name, () => source('planner').inspect())).problems).toEqual([]);
  await waitFor(
    () => as('holder', name, async () => source('holder').ready?.(backup)),
    (later) => later === undefined,
  );
  const at = await as('holder', name, async () => source('holder').open?.(backup));
  const context = { ...contextOf(backupInput(backup)), instants: async () => (at === undefined ? [] : [at]) };
  const planned = await as('planner', name, () => Array.fromAsync(source('planner').dump.plan(context)));
  const receipts: Receipt[] = [];
  const segments: Segment[] = [];
  for (const [task, { task: json }] of planned.entries())
    await as('dumper', name, async () => {
      const made = await untilDone((resume) => source('dumper').dump.run(json, { ...context, task }, resume));
      segments.push(...made);
      receipts.push({ task, part: 0, segments: made, digests: [] });
    });
  if (at !== undefined) await as('holder', name, () => source('holder').close(at));
  const manifest = { segments, details: null, backup } as unknown as Manifest;

  const drill = `lifeboat-drill-${backup.toLowerCase()}`;
  const target = (purpose: Purpose) => rdsTarget(addressOf({ ...drills(name), instance: drill }), servicesAs(purpose, name), engines);
  const restore = contextOf({ kind: 'restore', restore: 'drill-1', manifest, scratch: true, overwrite: false });
  await as('restorer', name, () =>
    untilDone((resume) => target('restorer').stages[0]?.run({}, restore, resume) ?? Promise.reject(new Error('no stage'))),
  );
  const audits = await as('restorer', name, () => Array.fromAsync(target('restorer').audit.plan(restore)));
  await as('auditor', name, () => target('auditor').audit.run(audits[0]?.task ?? null, restore));
  await as('driller', name, () => untilDone((resume) => target('driller').discard.run({}, restore, resume)));
  await as('janitor', name, () => untilDone((resume) => target('janitor').discard.run({}, restore, resume)));
  await as('janitor', name, async () => source('janitor').tidy?.(async () => true));
  await as('pruner', name, async () => source('pruner').forget?.(backup, manifest));
};

beforeAll(async () => {
  for (const variable of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(variable, 'test');
  double = await startRdsDouble();
  vi.stubEnv('AWS_ENDPOINT_URL_STS', double.endpoint);
  double.roles.set(ROLE, {});
  await Promise.all(
    ['sea', 'pacific'].map(async (id) => {
      const { url } = await double.addInstance(id, {
        dbName: 'postgres',
        aurora: id === 'pacific',
        ...(id === 'sea' ? { kmsKey: key(REGION, ACCOUNT).replace(/.$/, '0') } : {}),
      });
      await query(url, 'CREATE TABLE boats (id int PRIMARY KEY)');
    }),
  );
  whole = synthesized(
    exampleWith((raw) => {
      for (const name of Object.keys(raw.sources)) if (name !== 'catalog-prod') Reflect.deleteProperty(raw.sources, name);
      Reflect.deleteProperty(raw.deployment, 'storage');
      for (const name of Object.keys(SOURCES) as Name[])
        Object.assign(raw.sources, { [name]: { kind: 'rds', ...SOURCES[name], drill: { scratch: { kind: 'rds', ...drills(name) } } } });
      const empty = { ...raw.sources['catalog-prod'], drill: { scratch: { kind: 'rds', ...EMPTY } } };
      const tested = {
        kind: 'rds',
        ...KEPT,
        drill: { scratch: { kind: 'rds', ...drills('snaps'), auth: 'iam', user: 'reader', restoreTesting: PLAN } },
      };
      const { password: _, ...login } = raw.sources['catalog-prod'];
      Object.assign(raw.sources, { kept: tested, empty, tokens: { ...login, auth: 'iam' } });
    }),
  );
  cloud = cloudOf(whole);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await double?.stop();
});

describe('the roles of RDS', () => {
  it.each(Object.keys(SOURCES) as Name[])('allow everything that a source like "%s" does', async (name) => {
    await live(name);
    const own = needs.filter(({ by }) => by.startsWith(`example-${name}-`));
    expect(new Set(own.map(({ by }) => by.split('-').at(-1)))).toEqual(
      new Set(['planner', 'holder', 'dumper', 'restorer', 'auditor', 'driller', 'janitor', 'pruner']),
    );
    const refused: string[] = [];
    for (const need of [...new Map(own.map((each) => [JSON.stringify(each), each])).values()])
      if ((await decide(cloud, need)) !== 'Allowed')
        refused.push(`${need.by} ${need.action} ${need.resource} ${JSON.stringify(need.context)}`);
    expect(refused).toEqual([]);
    expect(own.length).toBeGreaterThan(30);
  });

  it('allow a drill of rows to make an empty instance, and nothing of snapshots', async () => {
    const name = 'empty' as Name;
    const from = needs.length;
    const target = (purpose: Purpose) =>
      rdsTarget(addressOf({ ...EMPTY, instance: 'lifeboat-drill-empty' }), servicesAs(purpose, name), engines);
    const context = contextOf({ kind: 'restore', restore: 'd', manifest: {} as Manifest, scratch: true, overwrite: false });
    const [stage] = target('restorer').stages;
    await as('restorer', name, () => untilDone((resume) => stage?.run({}, context, resume) ?? Promise.reject(new Error('no stage'))));
    await as('driller', name, () => untilDone((resume) => target('driller').discard.run({}, context, resume)));
    for (const need of needs.slice(from)) expect([need, await decide(cloud, need)]).toEqual([need, 'Allowed']);
    const restore = { action: 'rds:RestoreDBInstanceFromDBSnapshot', resource: arn(REGION, 'snapshot:lifeboat-sea-x'), context: {} };
    expect(await decide(cloud, { by: 'example-empty-restorer', ...restore })).toBe('ImplicitlyDenied');
  });

  it('allow nobody what only others do, nor anything of production', async () => {
    const allowed: string[] = [];
    const purposes = ['planner', 'holder', 'dumper', 'pruner', 'restorer', 'auditor', 'driller', 'janitor'];
    const never: readonly (readonly [action: string, resource: string, except?: readonly string[]])[] = [
      ['rds:DeleteDBInstance', arn(REGION, 'db:sea')],
      ['rds:DeleteDBInstance', arn(REGION, 'db:pacific-1')],
      ['rds:DeleteDBCluster', arn(REGION, 'cluster:pacific')],
      ['rds:ModifyDBInstance', arn(REGION, 'db:sea')],
      ['rds:ModifyDBCluster', arn(REGION, 'cluster:pacific')],
      ['rds:DeleteDBSnapshot', arn(REGION, 'snapshot:before-the-migration')],
      ['rds:DeleteDBSnapshot', arn(REGION, 'snapshot:lifeboat-sea-x'), ['pruner']],
      ['rds:DeleteDBClusterSnapshot', arn(REGION, 'cluster-snapshot:lifeboat-pacific-x'), ['pruner']],
      ['rds:CreateDBSnapshot', arn(REGION, 'db:sea'), ['holder']],
      ['sts:AssumeRole', ROLE, ['planner', 'dumper', 'pruner']],
      ['sts:AssumeRole', `arn:aws:iam::${OTHER}:role/admin`],
    ];
    for (const [action, resource, except = []] of never)
      for (const name of Object.keys(SOURCES))
        for (const purpose of purposes.filter((each) => !except.includes(each)))
          if ((await decide(cloud, { by: `example-${name}-${purpose}`, action, resource, context: {} })) === 'Allowed')
            allowed.push(`${name} ${purpose} ${action} ${resource}`);
    expect(allowed).toEqual([]);
  });

  it('start an audit when the restore testing of AWS Backup has restored something, and may answer it', async () => {
    const machine = `arn:aws:states:${REGION}:${ACCOUNT}:stateMachine:example-kept-restore`;
    const rules = resourcesOf(whole.template(sourceStack(whole, 'kept')), 'AWS::Events::Rule').map(({ Properties }) => Properties);
    expect(rules).toContainEqual(
      expect.objectContaining({
        EventPattern: {
          source: ['aws.backup'],
          'detail-type': ['Restore Job State Change'],
          detail: { status: ['COMPLETED'], restoreTestingPlanArn: [PLAN] },
        },
      }),
    );
    const input = rules.flatMap(({ Targets }) => Targets as readonly { readonly InputTransformer?: Record<string, unknown> }[]);
    expect(JSON.stringify(input)).toMatch(/createdResourceArn.*restoreJobId/);
    const may = (by: string, action: string, resource: string) => decide(cloud, { by: `example-${by}`, action, resource, context: {} });
    expect(await may('kept-tester', 'states:StartExecution', machine)).toBe('Allowed');
    expect(await may('kept-tester', 'states:StartExecution', machine.replace('restore', 'backup'))).toBe('ImplicitlyDenied');
    expect(await may('kept-keeper', 'backup:PutRestoreValidationResult', '*')).toBe('Allowed');
    expect(await may('snaps-keeper', 'backup:PutRestoreValidationResult', '*')).toBe('ImplicitlyDenied');
    expect(await may('kept-auditor', 'rds-db:connect', `arn:aws:rds-db:${REGION}:${ACCOUNT}:dbuser:db-ABC/reader`)).toBe('Allowed');
  });

  it('let who logs in with a token log in as that user, and nobody else', async () => {
    const connect = (purpose: string, user: string) => {
      const resource = `arn:aws:rds-db:${REGION}:${ACCOUNT}:dbuser:cluster-ABC123/${user}`;
      return decide(cloud, { by: `example-tokens-${purpose}`, action: 'rds-db:connect', resource, context: {} });
    };
    for (const purpose of ['planner', 'holder', 'dumper']) expect(await connect(purpose, 'lifeboat'), purpose).toBe('Allowed');
    for (const purpose of ['sealer', 'pruner', 'restorer', 'auditor', 'driller', 'janitor'])
      expect(await connect(purpose, 'lifeboat'), purpose).toBe('ImplicitlyDenied');
    expect(await connect('dumper', 'postgres')).toBe('ImplicitlyDenied');
  });

  it('allow the pruner no role of another account where its copy is kept', async () => {
    const take = (purpose: string) =>
      decide(cloud, { by: `example-kept-${purpose}`, action: 'sts:AssumeRole', resource: ROLE, context: {} });
    expect(await take('dumper')).toBe('Allowed');
    expect(await take('pruner')).toBe('ImplicitlyDenied');
  });
});
