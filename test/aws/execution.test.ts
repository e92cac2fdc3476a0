import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { Json } from '../../src/backup/types.ts';
import { ID, proof, putBackup, putProof } from '../cli/support.ts';
import { ACCOUNT, type Cloud, type CloudOptions, openCloud, REGION } from './support.ts';

type Answers = Readonly<Record<string, (payload: Json) => Json | Promise<Json>>>;

let cloud: Cloud;
afterEach(() => cloud?.stop());

const open = async (answers: Answers, more: CloudOptions = {}): Promise<Cloud> => {
  cloud = await openCloud({
    invoke: async (step, payload) => {
      const answer = answers[step];
      if (answer === undefined) throw new Error(`no function ${step} in this test`);
      return answer(payload);
    },
    ...more,
  });
  return cloud;
};

const failing = (name: string, message: string) => (): never => {
  throw Object.assign(new Error(message), { name });
};

const never = (): Promise<never> => new Promise(() => {});

/** A backup of three tasks, made of answers alone; what it sealed lies in the store already. */
const backupOf = (more: Answers = {}): Answers => ({
  'start-backup': () => ({ source: 'catalog', backup: ID, already: false, lanes: [], concurrency: 1 }),
  'await-point-in-time': () => ({ ready: true, wait: 0 }),
  'plan-dump': () => ({
    bucket: cloud.control.bucket,
    key: `${cloud.control.prefix}plan.jsonl`,
    results: 'results',
    tasks: 3,
    resume: null,
    together: false,
  }),
  'dump-task': async () => {
    await sleep(60);
    return { resume: null, wait: 0, part: 1 };
  },
  'release-point-in-time': () => ({}),
  'seal-backup': () => ({ resume: null, wait: 0, summary: {} }),
  'prune-backups': () => ({ removed: 0, done: true }),
  'end-backup': () => ({}),
  'abort-backup': () => ({ completed: false, error: 'SourceChanged', cause: 'table t was truncated\nhint: Start a new backup.' }),
  ...more,
});

const openBackup = async (more: Answers = {}): Promise<Cloud> => {
  await open(backupOf(more));
  await putBackup(cloud.store);
  await cloud.control.create('plan.jsonl', Buffer.from('{"task":0}\n{"task":1}\n{"task":2}\n'));
  return cloud;
};

const only = () => [...cloud.aws.executions.values()][0];
/** Waits until the execution was started, and answers its ARN. */
const started = async (): Promise<string> => {
  for (;;) {
    const arn = only()?.arn;
    if (arn !== undefined) return arn;
    await sleep(5);
  }
};

describe('a backup on AWS', () => {
  it('is the deployed machine, followed to its end, with the result that a local one prints', async () => {
    await openBackup();
    const ran = await cloud.run(['backup', 'catalog', '--json', '--progress', 'json']);
    expect(ran.code).toBe(0);
    expect(ran.json()).toMatchObject({ source: 'catalog', backup: ID, already: false, rows: '2468', segments: 3, execution: only()?.arn });
    expect(cloud.aws.requests[0]).toMatchObject({
      action: 'StartExecution',
      body: {
        stateMachineArn: `arn:aws:states:${REGION}:${ACCOUNT}:stateMachine:prod-catalog-backup:live`,
        name: expect.stringMatching(/^cli-\d{8}T\d{6}Z-[0-9a-f]{8}$/),
        input: '{"source":"catalog"}',
      },
    });
  });

  it('tells of its states and counts its tasks', async () => {
    await openBackup();
    const { err } = await cloud.run(['backup', 'catalog', '--progress', 'json']);
    const told = err
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const states = told.filter(({ type }) => type === 'state').map(({ machine, state }) => `${machine} ${state}`);
    expect(states).toEqual([...new Set(states)]);
    expect(states).toEqual(expect.arrayContaining(['backup StartBackup', 'backup PlanDump', 'backup DumpTasks', 'backup SealBackup']));
    const tallies = told.filter(({ type }) => type === 'tally');
    expect(tallies.at(-1)).toMatchObject({ stage: 'dump', tasks: 3, ended: 3, running: 0 });
    expect(tallies.length).toBeGreaterThan(1);
  });

  it('says that it is there already', async () => {
    await open({ 'start-backup': () => ({ source: 'catalog', backup: ID, already: true, lanes: [], concurrency: 1 }) });
    expect(await cloud.run(['backup', 'catalog'])).toMatchObject({ code: 0, out: expect.stringContaining('is there already') });
  });

  it('fails with the error of its machine, and its exit code', async () => {
    await open({ 'start-backup': failing('LeaseHeld', 'the lease of catalog is held by x\nhint: Wait.') });
    const ran = await cloud.run(['backup', 'catalog', '--json']);
    expect(ran).toMatchObject({ code: 11 });
    expect(ran.json()).toEqual({ error: { code: 'LeaseHeld', message: 'the lease of catalog is held by x', hint: 'Wait.' } });
  });

  it('fails with what its task wrote down, when a task fails', async () => {
    await openBackup({ 'dump-task': failing('SourceChanged', 'table t was truncated') });
    expect(await cloud.run(['backup', 'catalog'])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/error: table t was truncated\nhint: Start a new backup\.\n$/),
    });
  });
});

describe('following an execution', () => {
  it('goes on through throttling and lost connections, and says so once', async () => {
    await openBackup();
    cloud.aws.fault('DescribeExecution', { status: 400, type: 'ThrottlingException', message: 'Rate exceeded' }, 3);
    cloud.aws.fault('GetExecutionHistory', 'hang up', 2);
    const ran = await cloud.run(['backup', 'catalog', '--progress', 'plain']);
    expect(ran.code).toBe(0);
    expect(ran.err.match(/warning: AWS is asked too often/g)).toHaveLength(1);
  }, 20_000);

  it('starts one execution where the answer to the start is lost', async () => {
    await openBackup();
    cloud.aws.fault('StartExecution', { status: 503, type: 'ServiceUnavailable' });
    expect((await cloud.run(['backup', 'catalog'])).code).toBe(0);
    expect(cloud.aws.executions.size).toBe(1);
  });

  it('ends when AWS does not answer for long, and says that the execution goes on', async () => {
    await open({ 'start-backup': never }, { patience: { silentMs: 300 } });
    const running = cloud.run(['backup', 'catalog']);
    const arn = await started();
    cloud.aws.fault('DescribeExecution', 'hang up', 1000);
    expect(await running).toMatchObject({
      code: 1,
      err: expect.stringMatching(new RegExp(`states:DescribeExecution got no answer.*; execution ${arn} goes on`)),
    });
  }, 20_000);

  it('ends when the credentials expire meanwhile, and says that the execution goes on', async () => {
    await open({ 'start-backup': never });
    const running = cloud.run(['backup', 'catalog']);
    const arn = await started();
    cloud.aws.fault('DescribeExecution', { status: 400, type: 'ExpiredTokenException' }, 1000);
    expect(await running).toMatchObject({
      code: 1,
      err: expect.stringMatching(
        new RegExp(`refused the credentials: ExpiredTokenException; execution ${arn} goes on\nhint: .*log in again`),
      ),
    });
  });

  it('waits for an execution that is not known everywhere yet, and tells of one that is lost', async () => {
    await openBackup();
    cloud.aws.fault('DescribeExecution', { status: 400, type: 'ExecutionDoesNotExist' }, 2);
    expect((await cloud.run(['backup', 'catalog'])).code).toBe(0);
    await cloud.stop();
    await open({ 'start-backup': never });
    const running = cloud.run(['backup', 'catalog']);
    cloud.aws.lose(await started());
    expect(await running).toMatchObject({ code: 10, err: expect.stringContaining('Step Functions does not know') });
  });

  it.each([
    ['ABORTED', 130, /execution cli-\S+ was stopped at 20/],
    ['TIMED_OUT', 1, /execution cli-\S+ ran longer than its machine may at 20/],
  ] as const)('tells of one that ended as %s', async (status, code, message) => {
    await open({ 'start-backup': never });
    const running = cloud.run(['backup', 'catalog']);
    cloud.aws.end(await started(), status);
    expect(await running).toMatchObject({ code, err: expect.stringMatching(message) });
  });

  it('leaves the execution running when it is interrupted, and says how to stop it', async () => {
    await open({ 'start-backup': never });
    let interrupt = (): void => {};
    const running = cloud.run(['backup', 'catalog'], { interrupts: (handler) => (interrupt = handler) });
    const arn = await started();
    interrupt();
    expect(await running).toMatchObject({
      code: 130,
      err: expect.stringMatching(new RegExp(`execution \\S+ goes on\nhint: .*stop-execution --execution-arn ${arn}`)),
    });
    expect(only()?.status).toBe('RUNNING');
  });

  it('stops it with --stop-on-interrupt', async () => {
    await open({ 'start-backup': never });
    let interrupt = (): void => {};
    const running = cloud.run(['backup', 'catalog', '--stop-on-interrupt'], { interrupts: (handler) => (interrupt = handler) });
    await started();
    interrupt();
    expect(await running).toMatchObject({ code: 130, err: expect.stringContaining('was stopped') });
    expect(only()).toMatchObject({ status: 'ABORTED', error: 'Interrupted', cause: 'stopped from the command line' });
  });
});

describe('credentials and deployments', () => {
  const refused = async (type: string): Promise<{ readonly code: number; readonly err: string }> => {
    await open({});
    cloud.aws.fault('StartExecution', { status: 400, type, message: 'no' }, 20);
    return cloud.run(['backup', 'catalog']);
  };

  it.each([
    ['ExpiredTokenException', /AWS refused the credentials: ExpiredTokenException\nhint: .*log in again/],
    ['UnrecognizedClientException', /AWS refused the credentials/],
    ['AccessDeniedException', /these credentials may not states:StartExecution on arn:aws:states:\S+backup:live\nhint: docs\/aws\.md/],
  ])('are told when AWS says %s', async (type, message) => {
    expect(await refused(type)).toMatchObject({ code: 1, err: expect.stringMatching(message) });
  });

  it('are told when there are none', async () => {
    await open({});
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) delete process.env[name];
    process.env['AWS_SHARED_CREDENTIALS_FILE'] = process.env['AWS_CONFIG_FILE'] = '/nonexistent';
    expect(await cloud.run(['backup', 'catalog'])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/no AWS credentials were found for states:StartExecution\nhint: Set AWS_PROFILE/),
    });
  });

  it('are missed by name when nothing is deployed', async () => {
    expect(await refused('StateMachineDoesNotExist')).toMatchObject({
      code: 2,
      err: expect.stringMatching(/there is no arn:\S+:stateMachine:prod-catalog-backup:live in eu-central-1\nhint: Deploy/),
    });
  });

  it('are not asked for a URL that only this machine knows', async () => {
    await open({});
    await putBackup(cloud.store);
    expect(await cloud.run(['restore', 'latest', '--to', 'postgres://u@h/db'])).toMatchObject({
      code: 2,
      err: expect.stringMatching(/environment prod runs on AWS, where the URL of --to is not known\nhint: Name a target/),
    });
    expect(cloud.aws.requests).toEqual([]);
  });

  it('are not used with --local', async () => {
    await open({});
    const ran = await cloud.run(['backup', 'catalog', '--local']);
    expect(ran.err).toContain('the command called engine.backup');
    expect(cloud.aws.requests).toEqual([]);
  });
});

describe('a drill on AWS', () => {
  const drilled = (verdict: 'PASSED' | 'FAILED'): Answers => ({
    'choose-backup': () => ({ source: 'catalog', drill: proof(verdict).drill, backup: ID, scratch: true }),
    'provision-scratch': () => ({}),
    'resolve-backup': failing('NoSuchBackup', 'it is gone'),
    'record-proof': () => ({
      verdict,
      proof: `catalog/proofs/${ID}/${proof(verdict).drill}.json`,
      report: `catalog/proofs/${ID}/${proof(verdict).drill}.html`,
    }),
    'discard-scratch': () => ({ resume: null, wait: 0 }),
  });

  it.each([
    ['PASSED', 0],
    ['FAILED', 3],
  ] as const)('is the proof that it left in the store: %s is exit code %i', async (verdict, code) => {
    await open(drilled(verdict));
    await putBackup(cloud.store);
    await putProof(cloud.store, proof(verdict));
    const ran = await cloud.run(['drill', 'catalog', '--json', '--progress', 'json']);
    expect(ran.code).toBe(code);
    expect(ran.json()).toMatchObject({ verdict, backup: ID, rtoSeconds: 252 });
    // The restore inside of it is followed, too.
    expect(ran.err).toContain('"machine":"restore","state":"ResolveBackup"');
  });

  it('names the target of a restore as the environment has it', async () => {
    await open({ 'resolve-backup': failing('TargetNotEmpty', 'drills has tables') });
    await putBackup(cloud.store);
    expect(await cloud.run(['restore', 'latest', '--to', 'drills'])).toMatchObject({
      code: 13,
      err: expect.stringContaining('drills has tables'),
    });
    expect(only()?.input).toMatchObject({ source: 'catalog', backup: ID, target: 'drills', overwrite: false });
    expect(await cloud.run(['restore', 'latest', '--to', 'dirlls'])).toMatchObject({
      code: 2,
      err: expect.stringMatching(/no target dirlls in environment prod\nhint: There is drills; or give a URL/),
    });
  });
});

describe('executions and logs on AWS', () => {
  it('are those of all machines, newest first, with their errors', async () => {
    await open({ 'start-backup': failing('LeaseHeld', 'held'), 'choose-backup': failing('NoSuchBackup', 'none') });
    await cloud.run(['backup', 'catalog']);
    await cloud.run(['drill', 'catalog']);
    const { code, json, out } = await cloud.run(['executions', '--json']);
    expect({ code, out }).toMatchObject({ code: 0 });
    expect(json()).toMatchObject({
      executions: [
        { machine: 'prod-catalog-drill', status: 'FAILED', error: 'NoSuchBackup' },
        { machine: 'prod-catalog-backup', status: 'FAILED', error: 'LeaseHeld' },
      ],
    });
  });

  it('say that nothing is deployed', async () => {
    await open({});
    cloud.aws.fault('ListExecutions', { status: 400, type: 'StateMachineDoesNotExist' }, 3);
    expect(await cloud.run(['executions'])).toMatchObject({ code: 2, err: expect.stringContaining('environment prod has no machines') });
  });

  it('are the history of an execution and the lines of its functions, by time', async () => {
    const at = Date.now() + 30_000;
    const line = { level: 'INFO', message: 'done', service: 'lifeboat', source: 'catalog', run: 'B1', stage: 'dump', rows: 7 };
    const printedLine = `${JSON.stringify(line)}\n`;
    const stream = '2026/11/21/prod-catalog-dump-task[$LATEST]0123456789abcdef';
    await open(
      { 'start-backup': failing('LeaseHeld', 'held') },
      {
        printed: [
          { timestamp: at, logStreamName: stream, message: printedLine },
          { timestamp: 1, logStreamName: stream, message: 'old' },
        ],
      },
    );
    await cloud.run(['backup', 'catalog']);
    const name = only()?.arn.split(':').at(-1) ?? '';
    for (const word of [[], [name], [only()?.arn ?? '']]) {
      const { code, out } = await cloud.run(['logs', ...word]);
      expect(code).toBe(0);
      expect(
        out
          .trim()
          .split('\n')
          .map((line) => line.replace(/^\S+ +/, '')),
      ).toEqual([
        'ExecutionStarted',
        'TaskStateEntered StartBackup',
        expect.stringMatching(/^TaskFailed LeaseHeld: .*held/),
        'FailStateEntered NotStarted',
        expect.stringMatching(/^ExecutionFailed LeaseHeld/),
        'dump-task: INFO done run=B1 stage=dump rows=7',
      ]);
    }
    expect(await cloud.run(['logs', 'nothing'])).toMatchObject({ code: 10, err: expect.stringContaining('no execution nothing') });
  });
});
