import { describe, expect, it } from 'vitest';
import { isLifeboatError } from '../../../src/errors.ts';
import { runMachine } from '../../../src/local/asl/machine.ts';
import { EXECUTION, entered, failure, lambda, machineOf, type TestWorld, testWorld, types } from './support.ts';

const CATCH_ALL = { Retry: [{ ErrorEquals: ['States.ALL'] }], Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Handler' }] };
const HANDLER = { Handler: { Type: 'Pass', End: true } };

const slowWorld = (): TestWorld => {
  const world: TestWorld = testWorld({
    functions: {
      slow: async () => {
        await world.clock.sleep(100_000);
        return {};
      },
    },
  });
  return world;
};

/** Runs the states and stops the execution after so many seconds. */
async function stopped(states: Record<string, unknown>, seconds: number, world = slowWorld()) {
  const controller = new AbortController();
  world.objects.set('b/k', '1\n2\n');
  world.clock.after(seconds * 1000, () => controller.abort(new Error('Ctrl-C')));
  const before = world.clock.now();
  const outcome = await runMachine(machineOf(states), {}, world, { ...EXECUTION, signal: controller.signal }).catch(
    (error: unknown) => error,
  );
  return { outcome, world, after: world.clock.now() - before };
}

const expectAborted = ({ outcome, world, after }: Awaited<ReturnType<typeof stopped>>, seconds: number) => {
  expect(isLifeboatError(outcome, 'ExecutionAborted')).toBe(true);
  expect(after).toBe(seconds * 1000);
  expect(types(world).at(-1)).toBe('ExecutionAborted');
  expect(entered(world)).not.toContain('Handler');
};

describe('stopping an execution', () => {
  it('ends a task at once, whatever Retry and Catch say, and tells the function', async () => {
    const result = await stopped({ T: lambda('slow', {}, { ...CATCH_ALL, Next: 'Handler' }), ...HANDLER }, 5);
    expectAborted(result, 5);
    expect(result.world.calls).toHaveLength(1);
    expect(result.world.calls[0]?.call.signal.aborted).toBe(true);
  });

  it('ends a Wait', async () => {
    const result = await stopped({ W: { Type: 'Wait', Seconds: 99, Next: 'Handler' }, ...HANDLER }, 6);
    expectAborted(result, 6);
    expect(result.world.clock.pending()).toBe(0);
  });

  it('ends the wait between two tries', async () => {
    const retry = { Retry: [{ ErrorEquals: ['States.Timeout'], IntervalSeconds: 50 }], Catch: CATCH_ALL.Catch };
    const result = await stopped({ T: lambda('slow', {}, { TimeoutSeconds: 5, ...retry, Next: 'Handler' }), ...HANDLER }, 20);
    expectAborted(result, 20);
    expect(result.world.calls).toHaveLength(1);
  });

  it('ends Parallel, inline Map and distributed Map with all that is in them', async () => {
    const chain = (name: string) => ({ StartAt: name, States: { [name]: lambda('slow', {}) } });
    const config = { ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' } };
    const reader = {
      Resource: 'arn:aws:states:::s3:getObject',
      ReaderConfig: { InputType: 'JSONL' },
      Arguments: { Bucket: 'b', Key: 'k' },
    };
    const maps: object[] = [
      { Type: 'Parallel', Branches: [chain('A'), chain('B')] },
      { Type: 'Map', Items: [1, 2], ItemProcessor: chain('A') },
      { Type: 'Map', ItemReader: reader, ItemProcessor: { ...config, ...chain('A') } },
    ];
    for (const state of maps) {
      const result = await stopped({ M: { ...state, ...CATCH_ALL, Next: 'Handler' }, ...HANDLER }, 7);
      expectAborted(result, 7);
      expect(result.world.calls.map((call) => call.call.signal.aborted)).toEqual([true, true]);
    }
  });

  it('starts nothing when it is stopped before it begins', async () => {
    const world = slowWorld();
    const outcome = await runMachine(machineOf({ T: lambda('slow', {}) }), {}, world, { ...EXECUTION, signal: AbortSignal.abort() }).catch(
      (error: unknown) => error,
    );
    expect(isLifeboatError(outcome, 'ExecutionAborted')).toBe(true);
    expect(world.calls).toEqual([]);
  });

  it('leaves no listener on the caller’s signal when it ends by itself', async () => {
    const controller = new AbortController();
    let listeners = 0;
    const { signal } = controller;
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners -= 1;
      remove(...args);
    };
    await runMachine(machineOf({ S: { Type: 'Succeed' } }), {}, testWorld(), { ...EXECUTION, signal });
    expect(listeners).toBe(0);
  });
});

describe('TimeoutSeconds of the machine', () => {
  it('ends the execution with States.Timeout, which nothing catches', async () => {
    const world = slowWorld();
    const before = world.clock.now();
    const states = { T: lambda('slow', {}, { ...CATCH_ALL, Next: 'Handler' }), ...HANDLER };
    const outcome = runMachine(machineOf(states, { TimeoutSeconds: 30 }), {}, world, EXECUTION);
    expect(await failure(outcome)).toMatchObject({ error: 'States.Timeout', status: 'TIMED_OUT' });
    expect(world.clock.now() - before).toBe(30_000);
    expect(types(world).at(-1)).toBe('ExecutionTimedOut');
    expect(entered(world)).toEqual(['T']);
    expect(world.calls[0]?.call.signal.aborted).toBe(false);
  });

  it('is no failure of the Map or Parallel that runs at that moment', async () => {
    const chain = { StartAt: 'A', States: { A: lambda('slow', {}) } };
    for (const state of [
      { Type: 'Parallel', Branches: [chain] },
      { Type: 'Map', Items: [1], ItemProcessor: chain },
    ]) {
      const world = slowWorld();
      const states = { M: { ...state, ...CATCH_ALL, Next: 'Handler' }, ...HANDLER };
      const outcome = runMachine(machineOf(states, { TimeoutSeconds: 30 }), {}, world, EXECUTION);
      expect(await failure(outcome)).toMatchObject({ error: 'States.Timeout', status: 'TIMED_OUT' });
      expect(types(world).filter((type) => type.endsWith('StateFailed'))).toEqual([]);
      expect(entered(world)).toEqual(['M', 'A']);
    }
  });

  it('leaves no timer behind when the execution ends in time', async () => {
    const world = testWorld();
    await runMachine(machineOf({ S: { Type: 'Succeed' } }, { TimeoutSeconds: 30 }), {}, world, EXECUTION);
    expect(world.clock.pending()).toBe(0);
  });
});

describe('a fault of the program', () => {
  it('is thrown as it is: no Retry and no Catch takes it for an error of the machine', async () => {
    const world = testWorld({ functions: { f: () => ({}) } });
    const broken = {
      ...world,
      onEvent: (event: { readonly type: string }) => {
        if (event.type === 'TaskSucceeded') throw new TypeError('a bug');
      },
    };
    const states = { T: lambda('f', {}, { ...CATCH_ALL, Next: 'Handler' }), ...HANDLER };
    await expect(runMachine(machineOf(states), {}, broken, EXECUTION)).rejects.toThrow(new TypeError('a bug'));
    expect(world.calls).toHaveLength(1);
  });
});
