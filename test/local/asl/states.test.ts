import { describe, expect, it } from 'vitest';
import { runMachine } from '../../../src/local/asl/machine.ts';
import { answer, EXECUTION, failure, machineOf, run, testWorld, types } from './support.ts';

describe('Pass, Succeed and Fail', () => {
  it('hand the input on when there is no Output', async () => {
    expect(await run({ A: { Type: 'Pass', Next: 'B' }, B: { Type: 'Succeed' } }, { x: [1, null, 'ü'] })).toEqual({ x: [1, null, 'ü'] });
  });

  it('evaluate Output, deeply, expressions beside literals', async () => {
    const output = { literal: [1, { deep: true }], list: ['{% $states.input.x %}', 'text'], sum: '{% $states.input.x + 1 %}' };
    expect(await answer(output, { x: 2 })).toEqual({ literal: [1, { deep: true }], list: [2, 'text'], sum: 3 });
  });

  it('fail with Error and Cause, which may be expressions', async () => {
    const state = { Type: 'Fail', Error: '{% $states.input.code %}', Cause: "{% 'because of ' & $states.input.code %}" };
    expect(await failure(run({ A: state }, { code: 'BackupFailed' }))).toEqual({
      error: 'BackupFailed',
      cause: 'because of BackupFailed',
      status: 'FAILED',
    });
  });
});

describe('Assign and Output', () => {
  it('see the variables from the state’s entry: Assign does not influence Output', async () => {
    const states = {
      Set: { Type: 'Pass', Assign: { n: 1 }, Next: 'Change' },
      Change: { Type: 'Pass', Assign: { n: '{% $n + 1 %}', old: '{% $n %}' }, Output: '{% $n %}', Next: 'Tell' },
      Tell: { Type: 'Pass', Output: { seen: '{% $states.input %}', n: '{% $n %}', old: '{% $old %}' }, End: true },
    };
    expect(await run(states)).toEqual({ seen: 1, n: 2, old: 1 });
  });

  it('evaluate Assign values independently of each other', async () => {
    const states = {
      Set: { Type: 'Pass', Assign: { a: 1, b: 2 }, Next: 'Swap' },
      Swap: { Type: 'Pass', Assign: { a: '{% $b %}', b: '{% $a %}' }, Next: 'Tell' },
      Tell: { Type: 'Pass', Output: '{% [$a, $b] %}', End: true },
    };
    expect(await run(states)).toEqual([2, 1]);
  });

  it('do not let a state change a value that a variable holds', async () => {
    const states = {
      Set: { Type: 'Pass', Assign: { list: [3, 1, 2] }, Next: 'Sort' },
      Sort: { Type: 'Pass', Assign: { sorted: '{% $sort($list) %}' }, Next: 'Tell' },
      Tell: { Type: 'Pass', Output: ['{% $list %}', '{% $sorted %}'], End: true },
    };
    expect(await run(states)).toEqual([
      [3, 1, 2],
      [1, 2, 3],
    ]);
  });
});

describe('Choice', () => {
  const choose = (input: number) =>
    run(
      {
        Pick: {
          Type: 'Choice',
          Choices: [
            { Condition: '{% $states.input > 10 %}', Next: 'End', Assign: { size: 'big' }, Output: '{% $states.input * 100 %}' },
            { Condition: '{% $states.input > 5 %}', Next: 'End', Assign: { size: 'middle' } },
          ],
          Assign: { size: 'small' },
          Output: 'default',
          Default: 'End',
        },
        End: { Type: 'Succeed', Output: ['{% $size %}', '{% $states.input %}'] },
      },
      input,
    );

  it('takes the first rule that is true, with its own Assign and Output', async () => {
    expect(await choose(11)).toEqual(['big', 1100]);
    expect(await choose(6)).toEqual(['middle', 6]);
  });

  it('takes Default with the Assign and Output of the state', async () => {
    expect(await choose(1)).toEqual(['small', 'default']);
  });

  it('fails with States.NoChoiceMatched without Default', async () => {
    const states = { Pick: { Type: 'Choice', Choices: [{ Condition: '{% false %}', Next: 'E' }] }, E: { Type: 'Succeed' } };
    expect((await failure(run(states))).error).toBe('States.NoChoiceMatched');
  });

  it('fails with States.QueryEvaluationError when a condition is not true or false', async () => {
    const states = { Pick: { Type: 'Choice', Choices: [{ Condition: '{% 1 %}', Next: 'E' }], Default: 'E' }, E: { Type: 'Succeed' } };
    expect((await failure(run(states))).error).toBe('States.QueryEvaluationError');
  });
});

describe('Wait', () => {
  const waited = async (state: object, input: number | string = 0) => {
    const world = testWorld();
    const before = world.clock.now();
    await run({ W: { Type: 'Wait', End: true, ...state } }, input, world);
    return world.clock.now() - before;
  };

  it('waits for Seconds, literal or computed', async () => {
    expect(await waited({ Seconds: 90 })).toBe(90_000);
    expect(await waited({ Seconds: '{% $states.input * 2 %}' }, 1800)).toBe(3_600_000);
    expect(await waited({ Seconds: 0 })).toBe(0);
  });

  it('waits until Timestamp, and not at all for one in the past', async () => {
    expect(await waited({ Timestamp: '2026-11-21T02:00:00Z' })).toBe(1_800_000);
    expect(await waited({ Timestamp: '{% $states.input %}' }, '2026-11-21T03:00:00+01:00')).toBe(1_800_000);
    expect(await waited({ Timestamp: '2020-01-01T00:00:00Z' })).toBe(0);
  });

  it.each([
    { Seconds: '{% -1 %}' },
    { Seconds: '{% 1.5 %}' },
    { Seconds: "{% '1' %}" },
    { Timestamp: 'tomorrow' },
    { Timestamp: '{% 5 %}' },
  ])('refuses %j while it runs', async (state) => {
    expect((await failure(run({ W: { Type: 'Wait', End: true, ...state } }))).error).toBe('States.QueryEvaluationError');
  });
});

describe('the context object', () => {
  it('names the execution, the machine and the state', async () => {
    const context = await answer('{% $states.context %}', { x: 1 });
    expect(context).toEqual({
      Execution: { Id: EXECUTION.id, Input: { x: 1 }, Name: 'run-1', StartTime: EXECUTION.startTime, RedriveCount: 0 },
      StateMachine: { Id: 'arn:aws:states:local:000000000000:stateMachine:backup', Name: 'backup' },
      State: { Name: 'Only', EnteredTime: '2026-11-21T01:30:00.000Z', RetryCount: 0 },
    });
  });

  it('has no Task, RoleArn or Map where there is none: the expression fails', async () => {
    expect((await failure(answer('{% $states.context.Task.Token %}'))).error).toBe('States.QueryEvaluationError');
  });

  it('has no result in a state without one', async () => {
    expect((await failure(answer('{% $states.result %}'))).error).toBe('States.QueryEvaluationError');
  });
});

describe('the history', () => {
  it('has the events that Step Functions has', async () => {
    const world = testWorld();
    await run({ A: { Type: 'Pass', Next: 'B' }, B: { Type: 'Succeed' } }, {}, world);
    expect(types(world)).toEqual([
      'ExecutionStarted',
      'PassStateEntered',
      'PassStateExited',
      'SucceedStateEntered',
      'SucceedStateExited',
      'ExecutionSucceeded',
    ]);
    expect(world.events.map((event) => event.id)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('ends an execution that has 25,000 events with States.Runtime, which nothing catches', async () => {
    const world = testWorld();
    const endless = { StartAt: 'Loop', States: { Loop: { Type: 'Pass', Next: 'Again' }, Again: { Type: 'Pass', Next: 'Loop' } } };
    const states = {
      P: { Type: 'Parallel', Branches: [endless], Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Caught' }], End: true },
      Caught: { Type: 'Succeed' },
    };
    expect((await failure(run(states, {}, world))).error).toBe('States.Runtime');
    expect(world.events).toHaveLength(25_000);
    expect(world.events.at(-1)?.type).toBe('ExecutionFailed');
  });
});

describe('the machine', () => {
  it('refuses an input that is not JSON', async () => {
    const input = { x: Number.NaN };
    await expect(runMachine(machineOf({ A: { Type: 'Succeed' } }), input, testWorld(), EXECUTION)).rejects.toThrow('NaN is not JSON');
  });
});
