import { describe, expect, it } from 'vitest';
import type { Json } from '../../../src/backup/types.ts';
import { failureOf } from '../../../src/local/asl/errors.ts';
import { runMachine } from '../../../src/local/asl/machine.ts';
import { EXECUTION, ended, failure, machineOf, named, run, type TestWorld, testWorld } from './support.ts';

const ARN = 'arn:aws:states:local:000000000000:stateMachine:restore';
const start = (input: unknown, more: object = { End: true }) => ({
  Type: 'Task',
  Resource: 'arn:aws:states:::states:startExecution.sync:2',
  Arguments: { StateMachineArn: ARN, Input: input },
  ...more,
});

describe('startExecution.sync:2', () => {
  it('answers the description of the execution, with Output parsed', async () => {
    const seen: unknown[] = [];
    const world = testWorld({
      startExecution: async (arn, input, name) => {
        seen.push([arn, input, name]);
        return ended(`${arn}:x`, { verdict: 'PASSED' });
      },
    });
    const state = start({ backup: '{% $states.input.b %}' });
    const named = { ...state, Arguments: { ...state.Arguments, Name: "{% 'drill-' & $states.input.b %}" } };
    expect(await run({ T: named }, { b: 'latest' }, world)).toEqual({
      ExecutionArn: `${ARN}:x`,
      Name: 'nested',
      StateMachineArn: ARN,
      StartDate: 1000,
      StopDate: 2000,
      Status: 'SUCCEEDED',
      Input: { backup: 'latest' },
      InputDetails: { Included: true },
      Output: { verdict: 'PASSED' },
      OutputDetails: { Included: true },
      RedriveCount: 0,
    });
    expect(seen).toEqual([[ARN, { backup: 'latest' }, 'drill-latest']]);
  });

  it.each(['FAILED', 'TIMED_OUT', 'ABORTED'] as const)(
    'fails with States.TaskFailed when the execution ends %s; Cause is JSON with its Error and Cause',
    async (status) => {
      const world = testWorld({
        startExecution: async () => ({
          executionArn: 'arn:x',
          name: 'n',
          startDate: 1,
          stopDate: 2,
          status,
          error: 'RestoreFailed',
          cause: '{"errorType":"RestoreFailed"}',
        }),
      });
      const { error, cause } = await failure(run({ T: start({ a: 1 }) }, {}, world));
      expect(error).toBe('States.TaskFailed');
      expect(JSON.parse(cause)).toMatchObject({
        Error: 'RestoreFailed',
        Cause: '{"errorType":"RestoreFailed"}',
        Status: status,
        ExecutionArn: 'arn:x',
        Input: '{"a":1}',
      });
    },
  );

  it('names an execution that could not be started as AWS does', async () => {
    const world = testWorld({ startExecution: () => Promise.reject(named('ExecutionAlreadyExists', 'it runs')) });
    expect(await failure(run({ T: start({}) }, {}, world))).toMatchObject({
      error: 'StepFunctions.ExecutionAlreadyExists',
      cause: 'it runs',
    });
  });

  it('takes only an object as Input', async () => {
    expect((await failure(run({ T: start('{% [1] %}') }))).error).toBe('States.Runtime');
  });

  it('stops the nested execution with its task: at TimeoutSeconds, and when its branch is abandoned', async () => {
    const stopped: number[] = [];
    const endless = (): TestWorld => {
      const world: TestWorld = testWorld({
        startExecution: async (_arn, _input, _name, signal) => {
          const before = world.clock.now();
          await world.clock.sleep(9_999_999, signal).catch(() => stopped.push(world.clock.now() - before));
          return ended('x', null);
        },
      });
      return world;
    };
    expect((await failure(run({ T: start({}, { TimeoutSeconds: 7, End: true }) }, {}, endless()))).error).toBe('States.Timeout');
    const fails = { StartAt: 'W', States: { W: { Type: 'Wait', Seconds: 3, Next: 'F' }, F: { Type: 'Fail', Error: 'Broken' } } };
    const states = { P: { Type: 'Parallel', Branches: [{ StartAt: 'T', States: { T: start({}) } }, fails], End: true } };
    expect((await failure(run(states, {}, endless()))).error).toBe('Broken');
    await new Promise((resolve) => setImmediate(resolve));
    expect(stopped).toEqual([7000, 3000]);
  });

  it('runs a machine within a machine', async () => {
    const inner = machineOf({
      A: { Type: 'Choice', Choices: [{ Condition: '{% $states.input.ok %}', Next: 'S' }], Default: 'F' },
      S: { Type: 'Succeed', Output: { inner: '{% $states.context.Execution.Name %}' } },
      F: { Type: 'Fail', Error: 'Inner', Cause: 'deep' },
    });
    const world: TestWorld = testWorld({
      startExecution: async (arn, input, name = 'generated', signal) => {
        const about = { executionArn: `${arn}:${name}`, name, startDate: world.clock.now(), stopDate: world.clock.now() };
        try {
          const output = await runMachine(inner, input, world, { id: about.executionArn, name, startTime: EXECUTION.startTime, signal });
          return { ...about, status: 'SUCCEEDED', output };
        } catch (error) {
          const failed = failureOf(error);
          if (failed === undefined) throw error;
          return { ...about, ...failed };
        }
      },
    });
    const outer = (ok: Json) => ({ T: start({ ok }, { Output: '{% $states.result.Output %}', End: true }) });
    expect(await run(outer(true), {}, world)).toEqual({ inner: 'generated' });
    expect(JSON.parse((await failure(run(outer(false), {}, world))).cause)).toMatchObject({
      Error: 'Inner',
      Cause: 'deep',
      Status: 'FAILED',
    });
  });
});
