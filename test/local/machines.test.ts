import { describe, expect, it } from 'vitest';
import type { Progress } from '../../src/backup/progress.ts';
import type { Json } from '../../src/backup/types.ts';
import { executionState, listExecutions, readLog } from '../../src/environment/executions.ts';
import { LifeboatError } from '../../src/errors.ts';
import { definitionOf, openMachines } from '../../src/local/machines.ts';
import { succeeded } from '../../src/machines/ended.ts';
import { memoryStore } from '../../src/stores/memory.ts';
import { withFaults } from '../support/faults.ts';

type Answers = Readonly<Record<string, (payload: Json) => Json | Promise<Json>>>;

const open = (answers: Answers, control = memoryStore({ name: 'control' })) => {
  const reported: Progress[] = [];
  const pool = {
    async invoke(step: string, payload: Json): Promise<Json> {
      const answer = answers[step];
      if (answer === undefined) throw new Error(`no function ${step} in this test`);
      return answer(payload);
    },
  };
  const machines = openMachines({ environment: 'local', control, pool, report: (line) => reported.push(line), random: () => 0 });
  const run = (machine: 'backup' | 'restore' | 'drill', signal = new AbortController().signal) =>
    machines.run(machine, { source: 'sea' }, signal);
  return { control, reported, run };
};

const already: Answers = { 'start-backup': () => ({ source: 'sea', backup: 'B1', already: true, lanes: [], concurrency: 1 }) };
const refusing: Answers = {
  'start-backup': () => {
    throw Object.assign(new Error('the lease is held\nhint: Wait.'), { name: 'LeaseHeld' });
  },
};

describe('openMachines', () => {
  it('runs the deployed machine, and writes down its beginning, its log and its end', async () => {
    const at = open(already);
    const { execution, outcome } = await at.run('backup');
    expect(outcome).toEqual({ status: 'SUCCEEDED', output: { source: 'sea', backup: 'B1', already: true } });
    expect(execution).toMatch(/^arn:aws:states:local:000000000000:execution:local-backup:\d{8}T\d{6}Z-[0-9a-f]{8}$/);
    expect(await Array.fromAsync(listExecutions(at.control))).toMatchObject([
      { arn: execution, machine: 'backup', input: { source: 'sea' }, end: { status: 'SUCCEEDED' } },
    ]);
    expect((await readLog(at.control, execution)).map(({ text }) => text)).toContain('TaskStateEntered StartBackup');
    expect(at.reported).toContainEqual({ type: 'state', machine: 'backup', state: 'StartBackup' });
  });

  it('gives a function what it needs to name the execution', async () => {
    let seen: Json = null;
    const at = open({
      'start-backup': (payload) => ((seen = payload), { source: 'sea', backup: 'B1', already: true, lanes: [], concurrency: 1 }),
    });
    const { execution } = await at.run('backup');
    expect(seen).toEqual({
      source: 'sea',
      scheduledTime: null,
      schedule: null,
      execution,
      startedAt: expect.stringMatching(/^\d{4}-.*Z$/),
    });
  });

  it('ends with the error of the function', async () => {
    const ended = await open(refusing).run('backup');
    expect(ended.outcome).toMatchObject({ status: 'FAILED', error: 'LeaseHeld' });
    expect(() => succeeded(ended)).toThrow(expect.objectContaining({ code: 'LeaseHeld', message: 'the lease is held', hint: 'Wait.' }));
  });

  it('ends when it is told to, while a function runs', async () => {
    const stop = new AbortController();
    const at = open({ 'start-backup': () => new Promise(() => stop.abort(new LifeboatError('Interrupted', 'Ctrl-C'))) });
    const ended = await at.run('backup', stop.signal);
    expect(ended.outcome).toMatchObject({ status: 'ABORTED' });
    expect(() => succeeded(ended)).toThrow(expect.objectContaining({ code: 'Interrupted' }));
    expect(await executionState(at.control, ended.execution)).toBe('gone');
    expect(await Array.fromAsync(listExecutions(at.control))).toMatchObject([{ end: { status: 'ABORTED' } }]);
  });

  it('runs a nested machine as an execution of its own', async () => {
    const at = open({
      'choose-backup': () => ({ source: 'sea', drill: 'D1', backup: 'B1', scratch: true }),
      'provision-scratch': () => ({}),
      'resolve-backup': () => {
        throw Object.assign(new Error('no backup B1'), { name: 'NoSuchBackup' });
      },
      'record-proof': (payload) => {
        expect(payload).toMatchObject({ failed: 'restore', failure: { Error: 'States.TaskFailed' }, restored: null });
        return { verdict: 'NOT_MEASURED', proof: 'p', report: 'r' };
      },
      'discard-scratch': () => ({ resume: null, wait: 0 }),
    });
    const ended = await at.run('drill');
    expect(ended.outcome).toMatchObject({ status: 'FAILED', error: 'NotMeasured' });
    const executions = await Array.fromAsync(listExecutions(at.control));
    expect(executions.map(({ machine, end }) => [machine, end?.status]).sort()).toEqual([
      ['drill', 'FAILED'],
      ['restore', 'FAILED'],
    ]);
    expect(executions.map(({ input }) => input)).toContainEqual(expect.objectContaining({ source: 'sea', backup: 'B1', drill: 'D1' }));
  });

  it('ends as it ended, also where that cannot be written down', async () => {
    const control = withFaults(memoryStore({ name: 'control' }), [
      { on: 'create', key: /\.end\.json$/, fault: { kind: 'fail', code: 'StoreFull' } },
    ]);
    const at = open(already, control);
    expect((await at.run('backup')).outcome).toMatchObject({ status: 'SUCCEEDED' });
    expect(at.reported).toContainEqual({ type: 'warning', message: expect.stringContaining('could not be written down') });
  });

  it('reads plans from its own control area alone', async () => {
    const start = { source: 'sea', backup: 'B1', already: false, lanes: [], concurrency: 1 };
    const elsewhere = { bucket: 'another', key: 'plan.jsonl', results: 'r', tasks: 1, resume: null };
    const at = open({
      'start-backup': () => start,
      'await-point-in-time': () => ({ ready: true, wait: 0 }),
      'plan-dump': () => elsewhere,
      'release-point-in-time': () => ({}),
      'abort-backup': (payload) => ({ completed: false, error: 'BackupFailed', cause: JSON.stringify(payload) }),
    });
    expect((await at.run('backup')).outcome).toMatchObject({
      status: 'FAILED',
      error: 'BackupFailed',
      cause: expect.stringContaining('another'),
    });
  });
});

describe('definitionOf', () => {
  it.each(['backup', 'restore', 'drill'] as const)('names the functions of %s by their files', async (machine) => {
    const text = JSON.stringify(await definitionOf(machine));
    expect(text).not.toContain('${');
    expect(text).toMatch(/"FunctionName":"[a-z]+(-[a-z]+)*"/);
  });
});
