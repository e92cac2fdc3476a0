import { describe, expect, it } from 'vitest';
import { LifeboatError } from '../../../src/errors.ts';
import { functionKilled, functionTimedOut } from '../../../src/local/asl/errors.ts';
import { entered, failure, lambda, named, run, testWorld, types } from './support.ts';

describe('lambda:invoke', () => {
  it('answers StatusCode, ExecutedVersion and Payload, and passes the evaluated arguments', async () => {
    const world = testWorld({ functions: { add: (payload) => ({ got: payload }) } });
    const state = lambda('{% $states.input.name %}', { a: '{% $states.input.a %}', b: 2 });
    expect(await run({ T: state }, { name: 'add', a: 1 }, world)).toEqual({
      StatusCode: 200,
      ExecutedVersion: '$LATEST',
      Payload: { got: { a: 1, b: 2 } },
    });
    expect(types(world)).toEqual([
      'ExecutionStarted',
      'TaskStateEntered',
      'TaskScheduled',
      'TaskStarted',
      'TaskSucceeded',
      'TaskStateExited',
      'ExecutionSucceeded',
    ]);
  });

  it('sees its result in Assign and Output as $states.result', async () => {
    const world = testWorld({ functions: { plan: () => ({ tasks: 3 }) } });
    const states = {
      T: lambda(
        'plan',
        {},
        { Assign: { tasks: '{% $states.result.Payload.tasks %}' }, Output: { code: '{% $states.result.StatusCode %}' }, Next: 'E' },
      ),
      E: { Type: 'Succeed', Output: ['{% $tasks %}', '{% $states.input %}'] },
    };
    expect(await run(states, {}, world)).toEqual([3, { code: 200 }]);
  });

  it('sends {} without a Payload and takes null for an answer of nothing', async () => {
    const world = testWorld({ functions: { f: () => undefined as never } });
    const state = {
      Type: 'Task',
      Resource: 'arn:aws:states:::lambda:invoke',
      Arguments: { FunctionName: 'f' },
      Output: '{% $states.result.Payload %}',
      End: true,
    };
    expect(await run({ T: state }, {}, world)).toBe(null);
    expect(world.calls[0]?.payload).toEqual({});
  });

  it('hands the function its own copy: what it does to it changes nothing', async () => {
    const vandal = (payload: unknown) => {
      Object.assign(Object(payload), { spoilt: true });
      return {};
    };
    const world = testWorld({ functions: { vandal } });
    const states = {
      A: { Type: 'Pass', Assign: { kept: { x: 1 } }, Next: 'B' },
      B: lambda('vandal', '{% $kept %}', { Next: 'C' }),
      C: { Type: 'Succeed', Output: '{% $kept %}' },
    };
    expect(await run(states, {}, world)).toEqual({ x: 1 });
  });

  it('gives a second try the payload as it is written, whatever the first did to it', async () => {
    const seen: string[] = [];
    const vandal = (payload: unknown) => {
      seen.push(JSON.stringify(payload));
      Object.assign(Object(payload), { spoilt: true });
      if (seen.length === 1) throw named('E');
      return {};
    };
    const state = lambda('vandal', { x: 1 }, { Retry: [{ ErrorEquals: ['E'] }], End: true });
    await run({ T: state }, {}, testWorld({ functions: { vandal } }));
    expect(seen).toEqual(['{"x":1}', '{"x":1}']);
  });

  it('tells the function its time limit and the context object', async () => {
    const world = testWorld({ functions: { f: () => ({}) } });
    await run({ T: lambda('f', {}, { TimeoutSeconds: '{% 10 + 5 %}', End: true }) }, {}, world);
    expect(world.calls[0]?.call.timeoutMs).toBe(15_000);
    expect(world.calls[0]?.call.context).toMatchObject({ State: { Name: 'T' }, Execution: { Name: 'run-1' } });
  });

  it('reports the name of what the handler threw, and the JSON that Lambda returns', async () => {
    const world = testWorld({ functions: { f: () => Promise.reject(named('TargetNotEmpty', 'database app holds 3 tables')) } });
    const { error, cause } = await failure(run({ T: lambda('f', {}) }, {}, world));
    expect(error).toBe('TargetNotEmpty');
    expect(JSON.parse(cause)).toMatchObject({ errorType: 'TargetNotEmpty', errorMessage: 'database app holds 3 tables' });
    expect(JSON.parse(cause).trace).toBeInstanceOf(Array);
  });

  it.each([
    [new LifeboatError('FunctionKilled', 'killed by SIGKILL'), 'Lambda.Unknown'],
    [functionKilled('signal: killed'), 'Lambda.Unknown'],
    [functionTimedOut(3), 'Sandbox.Timedout'],
    ['a string', 'Lambda.Unknown'],
  ])('reports a function that did not answer as AWS does: %s', async (thrown, expected) => {
    const world = testWorld({ functions: { f: () => Promise.reject(thrown) } });
    expect((await failure(run({ T: lambda('f', {}) }, {}, world))).error).toBe(expected);
  });

  it('fails when FunctionName is not a string', async () => {
    expect((await failure(run({ T: lambda('{% 5 %}', {}) }))).error).toBe('States.QueryEvaluationError');
  });
});

describe('TimeoutSeconds of a task', () => {
  const slow = () => {
    const world = testWorld({
      functions: {
        slow: async () => {
          await world.clock.sleep(60_000);
          return {};
        },
      },
    });
    return world;
  };

  it('fails with States.Timeout and lets the function run on', async () => {
    const world = slow();
    const before = world.clock.now();
    const states = { T: lambda('slow', {}, { TimeoutSeconds: 5, End: true }) };
    expect(await failure(run(states, {}, world))).toEqual({ error: 'States.Timeout', cause: '', status: 'FAILED' });
    expect(world.clock.now() - before).toBe(5000);
    expect(world.calls[0]?.call.signal.aborted).toBe(false);
    expect(types(world)).toContain('TaskTimedOut');
    expect(world.clock.pending()).toBe(1);
  });

  it('does not fire for a function that answers in time', async () => {
    const world = slow();
    await run({ T: lambda('slow', {}, { TimeoutSeconds: '{% 61 %}', End: true }) }, {}, world);
    expect(world.clock.pending()).toBe(0);
  });

  it('is caught by its name and by States.ALL, not by States.TaskFailed', async () => {
    const caught = (name: string) => {
      const state = lambda('slow', {}, { TimeoutSeconds: 5, Catch: [{ ErrorEquals: [name], Next: 'C' }], End: true });
      return run({ T: state, C: { Type: 'Succeed' } }, {}, slow());
    };
    expect(await caught('States.Timeout')).toEqual({ Error: 'States.Timeout', Cause: '' });
    expect(await caught('States.ALL')).toEqual({ Error: 'States.Timeout', Cause: '' });
    expect((await failure(caught('States.TaskFailed'))).error).toBe('States.Timeout');
  });

  it('holds for each try anew', async () => {
    const world = slow();
    const before = world.clock.now();
    const retry = [{ ErrorEquals: ['States.Timeout'], IntervalSeconds: 1, MaxAttempts: 2, BackoffRate: 1 }];
    await failure(run({ T: lambda('slow', {}, { TimeoutSeconds: 5, Retry: retry, End: true }) }, {}, world));
    expect(world.clock.now() - before).toBe(3 * 5000 + 2 * 1000);
  });

  it.each(['{% 0 %}', '{% 1.5 %}', "{% 'x' %}"])('must be a number of seconds: %s', async (value) => {
    const world = testWorld({ functions: { f: () => ({}) } });
    expect((await failure(run({ T: lambda('f', {}, { TimeoutSeconds: value, End: true }) }, {}, world))).error).toBe(
      'States.QueryEvaluationError',
    );
    expect(entered(world)).toEqual(['T']);
  });
});
