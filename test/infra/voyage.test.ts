import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listBackups } from '../../src/backup/catalog.ts';
import { NOTIFY, STEPS, WATCH } from '../../src/environment/steps.ts';
import { functionOf, type Machine, machineArnOf, outputOf } from './cloud/deployed.ts';
import { type Everything, leaveScratch, leaveWreckage, SECRETS, SOURCE, startEverything } from './cloud/everything.ts';
import { interfaceNeeds, type Need } from './cloud/needs.ts';
import { decide } from './cloud/simulate.ts';
import { ACCOUNT, REGION } from './cloud/template.ts';
import { resourcesOf, sourceStack, synthesized } from './support.ts';

const STORE = 'arn:aws:s3:::acme-lifeboat-store/prod';
const CONTROL = 'arn:aws:s3:::acme-lifeboat-control/prod';

/** Of one input or answer of a function. Step Functions takes 256 KiB. */
const PAYLOAD_MAX_BYTES = 32 * 1024;

const input = (scheduledTime: string) => ({ source: SOURCE, scheduledTime, schedule: 'arn:aws:scheduler:nightly' });

let all: Everything;

const fn = (step: string): string => functionOf(step, SOURCE);
const arn = (machine: Machine): string => machineArnOf(machine, SOURCE);

beforeAll(async () => {
  all = await startEverything();
}, 120_000);

afterAll(() => all?.stop());

/** What a step's function told, line by line. */
const logOf = (step: string): Record<string, unknown>[] =>
  all.functions
    .printed()
    .trim()
    .split('\n')
    .map((line): Record<string, unknown> => JSON.parse(line))
    .filter((line) => line['function_name'] === fn(step));

const entries = () => Array.fromAsync(listBackups(all.store, SOURCE));

describe('the deployed bundles and machines, without AWS', () => {
  it('back up a source whose lease a killed execution had, once for each time that is due', async () => {
    await leaveWreckage(all);
    expect(await all.start(SOURCE, 'backup', input('2026-11-18T01:30:00Z'))).toMatchObject({
      status: 'SUCCEEDED',
      output: { source: SOURCE },
    });
    expect(await all.start(SOURCE, 'backup', input('2026-11-18T01:30:00Z'))).toMatchObject({
      status: 'SUCCEEDED',
      output: { already: true },
    });
    expect(await entries()).toHaveLength(1);
  }, 120_000);

  it('drill it when they are started with {}', async () => {
    outputOf(await all.start(SOURCE, 'drill', {}));
    expect((await entries())[0]?.proof.state).toBe('PASSED');
  }, 120_000);

  it('restore it to where the environment says when they are started with {}', async () => {
    outputOf(await all.start(SOURCE, 'restore', {}));
    expect(await all.start(SOURCE, 'restore', {})).toMatchObject({ status: 'FAILED', error: 'TargetNotEmpty' });
  }, 120_000);

  it('prune what the retention does not keep, and never the proven one', async () => {
    for (const day of ['19', '20'])
      expect(await all.start(SOURCE, 'backup', input(`2026-11-${day}T01:30:00Z`))).toMatchObject({ status: 'SUCCEEDED' });
    expect((await entries()).map(({ backup }) => backup.slice(0, 8))).toEqual(['20261118', '20261120']);
  }, 120_000);

  it('tell doctor what they reach, with the role of each', async () => {
    for (const step of ['probe-source', 'probe-target']) {
      const { findings } = (await all.call(SOURCE, step, { source: SOURCE })) as { readonly findings: readonly { readonly ok: boolean }[] };
      expect(findings.filter(({ ok }) => !ok)).toEqual([]);
      expect(findings.length).toBeGreaterThan(3);
    }
  }, 60_000);

  it('give back what an execution held that ended badly', async () => {
    const [{ proof } = { proof: undefined }] = await entries();
    await leaveScratch(all, proof?.drill ?? '');
    expect(await all.call(SOURCE, 'janitor', { source: SOURCE })).toMatchObject({ scratch: [expect.any(String)] });
    const started = {
      ...input('2026-11-21T01:30:00Z'),
      execution: `${arn('backup')}:x`.replace(':stateMachine:', ':execution:'),
    };
    const { backup } = (await all.call(SOURCE, 'start-backup', { ...started, startedAt: new Date().toISOString() })) as {
      backup: string;
    };
    const failure = { Error: 'ConnectionLost', Cause: 'the server went away' };
    expect(await all.call(SOURCE, 'abort-backup', { source: SOURCE, backup, failure })).toMatchObject({
      completed: false,
      error: 'ConnectionLost',
    });
    const restored = (await Array.fromAsync(all.control.list(`${SOURCE}/runs/`))).find(({ key }) => key.endsWith('/restore.json'));
    const restore = restored?.key.split('/').at(-2) ?? '';
    expect(await all.call(SOURCE, 'abort-restore', { source: SOURCE, restore, stage: 'load', failure })).toMatchObject({
      error: 'ConnectionLost',
    });
  }, 60_000);

  it('tell CloudWatch how old the newest backup and proof are', async () => {
    await all.call(SOURCE, WATCH, {});
    const line: unknown = JSON.parse(/^\{"_aws".*$/m.exec(all.functions.printed())?.[0] ?? 'null');
    expect(line).toMatchObject({
      Environment: 'example',
      Source: SOURCE,
      BackupAge: expect.any(Number),
      ProvenAge: expect.any(Number),
      LeaseAge: 0,
      // The janitor looks once more after the longest time that a function may still be on its way.
      Orphans: 1,
      UploadsLeft: 0,
    });
  });

  it('tell a webhook, and name no URL when it refuses', async () => {
    const detail = { status: 'FAILED', executionArn: 'arn:aws:states:x', stateMachineArn: arn('backup') };
    const told = all.call(SOURCE, NOTIFY, { 'detail-type': 'Step Functions Execution Status Change', detail });
    await expect(told).rejects.toMatchObject({ name: 'ConnectionLost', message: expect.stringMatching(/slack-AbCdEf answered 400/) });
  });

  it('hand each other pointers only', () => {
    const { payloads } = all.machines;
    expect(new Set(payloads.map(({ of }) => of)).size).toBeGreaterThan(18);
    expect(payloads.filter(({ bytes }) => bytes > PAYLOAD_MAX_BYTES)).toEqual([]);
  });

  it('log one JSON object a line, each with its source and its run', async () => {
    const [backup] = (await entries()).map(({ backup }) => backup);
    const told = logOf('dump-task');
    expect(told.length).toBeGreaterThan(5);
    for (const line of told)
      expect(line).toMatchObject({
        level: expect.stringMatching(/^(INFO|WARN)$/),
        environment: 'example',
        function_name: fn('dump-task'),
        function_request_id: expect.any(String),
        source: SOURCE,
        run: expect.stringMatching(/^20\d{6}T\d{6}Z-/),
      });
    expect(told.map(({ run }) => run)).toContain(backup);
    expect(told.map(({ message }) => message)).toEqual(expect.arrayContaining(['task', 'ended']));
    expect(logOf('resolve-backup').filter(({ level }) => level === 'ERROR')).toEqual([
      expect.objectContaining({ code: 'TargetNotEmpty', hint: expect.stringContaining('empty'), source: SOURCE }),
    ]);
  });

  it('print no secret', () => {
    const printed = all.functions.printed();
    expect(printed).not.toContain(all.password);
    expect(printed).not.toContain('t0ken');
    expect(printed.length).toBeGreaterThan(100);
  });
});

describe('the roles', () => {
  const recorded = (): Need[] => all.needs();

  it('are judged by what every step really does', () => {
    const callers = new Set([...recorded()].filter(({ action }) => /^(s3|secretsmanager):/.test(action)).map(({ by }) => by));
    expect([...Object.keys(STEPS), WATCH, NOTIFY].filter((step) => !callers.has(fn(step)))).toEqual([]);
  });

  it('allow everything that was done, and what it implies', async () => {
    const whole = synthesized();
    const inVpc = resourcesOf(whole.template(sourceStack(whole, SOURCE)), 'AWS::Lambda::Function')
      .filter(({ Properties }) => Properties['VpcConfig'] !== undefined)
      .map(({ Properties }) => String(Properties['FunctionName']));
    const needs = [...recorded(), ...interfaceNeeds(inVpc)];
    const refused: string[] = [];
    for (const need of needs) {
      const decision = await decide(all.cloud, need);
      if (decision !== 'Allowed') refused.push(`${decision}: ${need.by} ${need.action} ${need.resource} ${JSON.stringify(need.context)}`);
    }
    expect(refused).toEqual([]);
    expect(needs.length).toBeGreaterThan(200);
  }, 60_000);

  const steps = [...Object.keys(STEPS), WATCH, NOTIFY];
  const once = { 's3:ObjectCreationOperation': 'true', 's3:if-none-match': '*' };
  const need = (by: string, action: string, resource: string, context: Need['context'] = {}): Need => ({
    by: steps.includes(by) ? fn(by) : by,
    action,
    resource,
    context,
  });
  const expectDenied = async (needs: readonly Need[]): Promise<void> => {
    expect(needs.length).toBeGreaterThan(0);
    const allowed: string[] = [];
    for (const each of needs) if ((await decide(all.cloud, each)) === 'Allowed') allowed.push(`${each.by} ${each.action} ${each.resource}`);
    expect(allowed).toEqual([]);
  };

  it('let nobody but the pruner delete from the store, and not even the pruner a version', async () => {
    const segment = `${STORE}/${SOURCE}/backups/b/segments/s`;
    await expectDenied([
      ...steps.filter((step) => step !== 'prune-backups').map((step) => need(step, 's3:DeleteObject', segment)),
      ...steps.flatMap((step) =>
        ['s3:DeleteObjectVersion', 's3:BypassGovernanceRetention', 's3:PutObjectRetention'].map((action) => need(step, action, segment)),
      ),
      need('prune-backups', 's3:DeleteObject', `${STORE}/${SOURCE}/proofs/b/d.json`),
      need('prune-backups', 's3:DeleteObject', `${STORE}/other/backups/b/manifest.json`),
      need('prune-backups', 's3:PutObject', segment, once),
    ]);
    expect(await decide(all.cloud, need('prune-backups', 's3:DeleteObject', segment))).toBe('Allowed');
  });

  it('let nobody write over what is there', async () => {
    const segment = `${STORE}/${SOURCE}/backups/b/segments/s`;
    expect(await decide(all.cloud, need('dump-task', 's3:PutObject', segment, once))).toBe('Allowed');
    expect(await decide(all.cloud, need('dump-task', 's3:PutObject', segment, { 's3:ObjectCreationOperation': 'true' }))).toBe(
      'ExplicitlyDenied',
    );
    expect(await decide(all.cloud, need('dump-task', 's3:PutObject', segment, { 's3:ObjectCreationOperation': 'false' }))).toBe('Allowed');
  });

  it('let who dumps seal nothing and prove nothing, and who drills write nothing into the store', async () => {
    await expectDenied([
      need('dump-task', 's3:PutObject', `${STORE}/${SOURCE}/backups/b/manifest.json`, once),
      need('dump-task', 's3:PutObject', `${STORE}/${SOURCE}/proofs/b/d.json`, once),
      need('seal-backup', 's3:PutObject', `${STORE}/${SOURCE}/proofs/b/d.json`, once),
      ...['load-task', 'audit-task', 'negative-control', 'discard-scratch', 'janitor', WATCH].map((step) =>
        need(step, 's3:PutObject', `${STORE}/${SOURCE}/proofs/b/d.json`, once),
      ),
    ]);
  });

  it('give the secret of the source to nobody who restores, audits or drills', async () => {
    const outside = steps.filter((step) => STEPS[step]?.machine !== 'backup' && step !== 'probe-source');
    await expectDenied([
      ...outside.map((step) => need(step, 'secretsmanager:GetSecretValue', SECRETS.source)),
      ...['seal-backup', 'prune-backups', 'end-backup'].map((step) => need(step, 'secretsmanager:GetSecretValue', SECRETS.source)),
    ]);
  });

  it('give the secret of a restore target to nobody who damages copies or tidies up', async () => {
    const drilling = steps.filter((step) => STEPS[step]?.machine === 'drill');
    await expectDenied([...drilling, 'janitor', WATCH].map((step) => need(step, 'secretsmanager:GetSecretValue', SECRETS.target)));
  });

  it('give another source nothing: no secret, no backup, no lease', async () => {
    const other = `arn:aws:secretsmanager:${REGION}:${ACCOUNT}:secret:lifeboat/other-AbCdEf`;
    const own = steps.filter((step) => step !== WATCH && step !== NOTIFY);
    await expectDenied([
      ...steps.map((step) => need(step, 'secretsmanager:GetSecretValue', other)),
      ...own.map((step) => need(step, 's3:GetObject', `${STORE}/other/backups/b/manifest.json`)),
      ...own.map((step) => need(step, 's3:PutObject', `${CONTROL}/other/lease.json`, { ...once })),
      need(WATCH, 's3:PutObject', `${CONTROL}/${SOURCE}/lease.json`, { ...once }),
    ]);
  });

  it('let a machine start nothing but its own steps', async () => {
    await expectDenied([
      need(`example-${SOURCE}-drill`, 'lambda:InvokeFunction', `arn:aws:lambda:${REGION}:${ACCOUNT}:function:example-${SOURCE}-dump-task`),
      need(`example-${SOURCE}-drill`, 'states:StartExecution', arn('backup')),
      need(`example-${SOURCE}-restore`, 'states:StartExecution', arn('drill')),
      need(`example-${SOURCE}-backup`, 's3:PutObject', `${STORE}/${SOURCE}/backups/b/manifest.json`, once),
      need(`example-${SOURCE}-scheduler`, 'states:StartExecution', `${arn('restore')}:live`),
    ]);
    expect(await decide(all.cloud, need(`example-${SOURCE}-scheduler`, 'states:StartExecution', `${arn('backup')}:live`))).toBe('Allowed');
  });
});
