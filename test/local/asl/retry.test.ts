import { describe, expect, it } from 'vitest';
import { matchesError } from '../../../src/local/asl/errors.ts';
import { failure, lambda, named, run, testWorld } from './support.ts';

/** Fails with these errors, one a call, and then answers. */
const failing = (errors: readonly string[], random?: () => number) => {
  const left = [...errors];
  const f = () => {
    const next = left.shift();
    if (next !== undefined) throw named(next);
    return { ok: true };
  };
  return testWorld({ functions: { f }, ...(random === undefined ? {} : { random }) });
};

const times = (world: ReturnType<typeof testWorld>) => world.calls.map((call) => call.at);
const withRetry = (...Retry: object[]) => ({ T: lambda('f', {}, { Retry, Output: '{% $states.result.Payload %}', End: true }) });

describe('Retry', () => {
  it('waits IntervalSeconds, then BackoffRate times longer each time', async () => {
    const world = failing(['E', 'E', 'E']);
    await run(withRetry({ ErrorEquals: ['E'], IntervalSeconds: 2, MaxAttempts: 3, BackoffRate: 3 }), {}, world);
    expect(times(world)).toEqual([0, 2000, 8000, 26_000]);
  });

  it('has the defaults 1 s, 3 attempts, rate 2', async () => {
    const world = failing(['E', 'E', 'E', 'E']);
    expect((await failure(run(withRetry({ ErrorEquals: ['E'] }), {}, world))).error).toBe('E');
    expect(times(world)).toEqual([0, 1000, 3000, 7000]);
  });

  it('never waits longer than MaxDelaySeconds', async () => {
    const world = failing(['E', 'E', 'E']);
    await run(withRetry({ ErrorEquals: ['E'], IntervalSeconds: 4, BackoffRate: 10, MaxDelaySeconds: 5 }), {}, world);
    expect(times(world)).toEqual([0, 4000, 9000, 14_000]);
  });

  it('waits a share of the time with full jitter', async () => {
    const world = failing(['E', 'E'], () => 0.5);
    await run(withRetry({ ErrorEquals: ['E'], IntervalSeconds: 10, JitterStrategy: 'FULL' }), {}, world);
    expect(times(world)).toEqual([0, 5000, 15_000]);
  });

  it('never retries with MaxAttempts 0', async () => {
    const world = failing(['E']);
    expect((await failure(run(withRetry({ ErrorEquals: ['E'], MaxAttempts: 0 }, { ErrorEquals: ['States.ALL'] }), {}, world))).error).toBe(
      'E',
    );
    expect(times(world)).toEqual([0]);
  });

  it('counts for each retrier alone, the first that matches decides', async () => {
    const world = failing(['A', 'B', 'A', 'B']);
    const retry = [
      { ErrorEquals: ['A'], IntervalSeconds: 1, MaxAttempts: 2, BackoffRate: 2 },
      { ErrorEquals: ['B'], IntervalSeconds: 10, MaxAttempts: 2, BackoffRate: 2 },
    ];
    await run(withRetry(...retry), {}, world);
    expect(times(world)).toEqual([0, 1000, 11_000, 13_000, 33_000]);
  });

  it('shows how often in the context object, and evaluates the arguments anew', async () => {
    const world = failing(['E', 'E']);
    const state = lambda('f', { n: '{% $states.context.State.RetryCount %}' }, { Retry: [{ ErrorEquals: ['E'] }], End: true });
    await run({ T: state }, {}, world);
    expect(world.calls.map((call) => call.payload)).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }]);
  });

  it('begins anew when the state is entered again', async () => {
    const world = failing(['E', 'E']);
    const states = {
      T: lambda(
        'f',
        {},
        { Retry: [{ ErrorEquals: ['E'], MaxAttempts: 1 }], Catch: [{ ErrorEquals: ['States.ALL'], Next: 'T' }], End: true },
      ),
    };
    await run(states, {}, world);
    expect(world.calls).toHaveLength(3);
  });

  it('holds for a Map and a Parallel as a whole', async () => {
    const world = failing(['E', 'E']);
    const chain = { StartAt: 'F', States: { F: lambda('f', {}) } };
    const retry = [{ ErrorEquals: ['E'], BackoffRate: 1 }];
    await run({ M: { Type: 'Map', Items: [1], ItemProcessor: chain, Retry: retry, End: true } }, {}, world);
    expect(times(world)).toEqual([0, 1000, 2000]);
    const again = failing(['E']);
    await run({ P: { Type: 'Parallel', Branches: [chain], Retry: retry, End: true } }, {}, again);
    expect(times(again)).toEqual([0, 1000]);
  });
});

describe('Catch', () => {
  const caught = (Catch: object[], more: object = {}) => ({
    Set: { Type: 'Pass', Assign: { v: 'before' }, Next: 'T' },
    T: lambda('f', {}, { Catch, Assign: { v: 'from success' }, Next: 'Other', ...more }),
    Other: { Type: 'Succeed', Output: ['other', '{% $v %}', '{% $states.input %}'] },
    Caught: { Type: 'Succeed', Output: ['caught', '{% $v %}', '{% $states.input %}'] },
  });

  it('hands on Error and Cause, and leaves the state’s own Assign alone', async () => {
    const output = await run(caught([{ ErrorEquals: ['E'], Next: 'Caught' }]), {}, failing(['E']));
    expect(output).toEqual(['caught', 'before', { Error: 'E', Cause: expect.stringContaining('"errorType":"E"') }]);
  });

  it('has an Assign and an Output of its own, which see $states.errorOutput and the input', async () => {
    const catcher = {
      ErrorEquals: ['E'],
      Assign: { v: '{% $states.errorOutput.Error %}' },
      Output: { was: '{% $v %}', in: '{% $states.input %}' },
      Next: 'Caught',
    };
    expect(await run(caught([catcher]), { i: 1 }, failing(['E']))).toEqual(['caught', 'E', { was: 'before', in: { i: 1 } }]);
  });

  it('takes the first catcher that matches', async () => {
    const catchers = [
      { ErrorEquals: ['X'], Next: 'Other' },
      { ErrorEquals: ['Y', 'E'], Next: 'Caught' },
      { ErrorEquals: ['States.ALL'], Next: 'Other' },
    ];
    expect(await run(caught(catchers), {}, failing(['E']))).toEqual(['caught', 'before', expect.anything()]);
  });

  it('comes after Retry has given up', async () => {
    const world = failing(['E', 'E']);
    await run(caught([{ ErrorEquals: ['E'], Next: 'Caught' }], { Retry: [{ ErrorEquals: ['E'], MaxAttempts: 1 }] }), {}, world);
    expect(world.calls).toHaveLength(2);
  });

  it('catches an expression of Output that fails', async () => {
    const states = caught([{ ErrorEquals: ['States.QueryEvaluationError'], Next: 'Caught' }], {
      Output: '{% $states.result.Payload.nothing %}',
    });
    expect(await run(states, {}, failing([]))).toEqual([
      'caught',
      'before',
      expect.objectContaining({ Error: 'States.QueryEvaluationError' }),
    ]);
  });

  it('fails when its own Output fails', async () => {
    const states = caught([{ ErrorEquals: ['E'], Output: '{% $states.result %}', Next: 'Caught' }]);
    expect((await failure(run(states, {}, failing(['E'])))).error).toBe('States.QueryEvaluationError');
  });

  it('sees the error of the branch or the item in a Parallel and a Map', async () => {
    const chain = { StartAt: 'F', States: { F: lambda('f', {}) } };
    const catcher = [{ ErrorEquals: ['E'], Next: 'C' }];
    const after = { C: { Type: 'Succeed', Output: '{% $states.input.Error %}' } };
    expect(await run({ P: { Type: 'Parallel', Branches: [chain], Catch: catcher, Next: 'C' }, ...after }, {}, failing(['E']))).toBe('E');
    expect(
      await run({ M: { Type: 'Map', Items: [1], ItemProcessor: chain, Catch: catcher, Next: 'C' }, ...after }, {}, failing(['E'])),
    ).toBe('E');
  });
});

describe('which error a name matches', () => {
  it.each([
    ['E', ['E'], true],
    ['E', ['F'], false],
    ['E', ['States.ALL'], true],
    ['E', ['States.TaskFailed'], true],
    ['States.Timeout', ['States.TaskFailed'], false],
    ['States.Timeout', ['States.ALL'], true],
    ['States.Timeout', ['States.Timeout'], true],
    ['States.TaskFailed', ['States.TaskFailed'], true],
    ['States.DataLimitExceeded', ['States.ALL'], false],
    ['States.DataLimitExceeded', ['States.TaskFailed'], false],
    ['States.DataLimitExceeded', ['States.DataLimitExceeded'], true],
    ['States.Runtime', ['States.ALL'], false],
    ['States.Runtime', ['States.Runtime'], false],
    ['States.QueryEvaluationError', ['States.ALL'], true],
    ['States.ExceedToleratedFailureThreshold', ['States.ALL'], true],
  ])('%s by %j: %s', (error, equals, expected) => {
    expect(matchesError(equals, error)).toBe(expected);
  });
});
