import { describe, expect, it } from 'vitest';
import { entered, failure, lambda, named, run, testWorld } from './support.ts';

const pass = (output: unknown) => ({ StartAt: 'I', States: { I: { Type: 'Pass', Output: output, End: true } } });
const map = (processor: object, more: object = {}) => ({ M: { Type: 'Map', ItemProcessor: processor, End: true, ...more } });

/** Functions that take a second each and count how many run at once. */
const counting = () => {
  const seen = { now: 0, most: 0 };
  const world = testWorld({
    functions: {
      f: async (payload) => {
        seen.now += 1;
        seen.most = Math.max(seen.most, seen.now);
        await world.clock.sleep(1000);
        seen.now -= 1;
        return payload;
      },
    },
  });
  return { world, seen };
};

describe('an inline Map', () => {
  it('runs over its input, and over Items', async () => {
    expect(await run(map(pass('{% $states.input * 2 %}')), [1, 2, 3])).toEqual([2, 4, 6]);
    expect(await run(map(pass('{% $states.input * 2 %}'), { Items: '{% $states.input.list %}' }), { list: [5] })).toEqual([10]);
    expect(await run(map(pass('{% $states.input %}'), { Items: [0, '{% $states.input.x %}'] }), { x: 1 })).toEqual([0, 1]);
    expect(await run(map(pass(1)), [])).toEqual([]);
  });

  it('builds each input with ItemSelector, which sees index, value, input and variables', async () => {
    const selector = {
      i: '{% $states.context.Map.Item.Index %}',
      v: '{% $states.context.Map.Item.Value %}',
      all: '{% $states.input.list %}',
      x: '{% $x %}',
    };
    const states = {
      Set: { Type: 'Pass', Assign: { x: 'var' }, Next: 'M' },
      ...map(pass('{% $states.input %}'), { Items: '{% $states.input.list %}', ItemSelector: selector }),
    };
    expect(await run(states, { list: ['a', 'b'] })).toEqual([
      { i: 0, v: 'a', all: ['a', 'b'], x: 'var' },
      { i: 1, v: 'b', all: ['a', 'b'], x: 'var' },
    ]);
  });

  it('shows the item in the context of its states, the innermost of nested Maps', async () => {
    const inner = {
      StartAt: 'N',
      States: {
        N: { Type: 'Map', Items: ['x', 'y'], ItemProcessor: pass('{% $states.context.Map.Item.Value %}'), Next: 'O' },
        O: { Type: 'Pass', Output: ['{% $states.input %}', '{% $states.context.Map.Item.Index %}'], End: true },
      },
    };
    expect(await run(map(inner), [7, 8])).toEqual([
      [['x', 'y'], 0],
      [['x', 'y'], 1],
    ]);
  });

  it('lets items see the variables outside; each has its own inside', async () => {
    const processor = {
      StartAt: 'S',
      States: {
        S: { Type: 'Pass', Assign: { own: '{% $outer & $states.input %}' }, Next: 'W' },
        W: { Type: 'Wait', Seconds: 1, Next: 'T' },
        T: { Type: 'Pass', Output: '{% $own %}', End: true },
      },
    };
    const states = { Set: { Type: 'Pass', Assign: { outer: 'o' }, Next: 'M' }, ...map(processor) };
    expect(await run(states, ['a', 'b'])).toEqual(['oa', 'ob']);
  });

  it('runs MaxConcurrency at a time, a number or an expression, and 40 at most', async () => {
    const chain = {
      StartAt: 'F',
      States: { F: lambda('f', '{% $states.input %}', { Output: '{% $states.result.Payload %}', End: true }) },
    };
    const items = Array.from({ length: 100 }, (_, n) => n);
    for (const [concurrency, most] of [
      [3, 3],
      ['{% 1 + 1 %}', 2],
      [0, 40],
      [90, 40],
      [undefined, 40],
    ] as const) {
      const { world, seen } = counting();
      expect(await run(map(chain, concurrency === undefined ? {} : { MaxConcurrency: concurrency }), items, world)).toEqual(items);
      expect(seen.most).toBe(most);
    }
  });

  it('fails with the first error; other items enter no further state and none is begun', async () => {
    const world = testWorld({
      functions: {
        f: async (payload) => {
          await world.clock.sleep(1000);
          if (payload === 1) throw named('Poisoned');
          await world.clock.sleep(5000);
          return {};
        },
      },
    });
    const chain = { StartAt: 'F', States: { F: lambda('f', '{% $states.input %}', { Next: 'G' }), G: { Type: 'Pass', End: true } } };
    expect((await failure(run(map(chain, { MaxConcurrency: 2 }), [0, 1, 2, 3], world))).error).toBe('Poisoned');
    await world.clock.sleep(60_000);
    expect(world.calls.map((call) => call.payload)).toEqual([0, 1]);
    expect(entered(world)).toEqual(['M', 'F', 'F']);
  });

  it.each([['{% $states.input.one %}'], ["{% 'text' %}"]])('fails when Items gives no array: %s', async (items) => {
    const { error, cause } = await failure(run(map(pass(1), { Items: items }), { one: { x: 1 } }));
    expect([error, cause]).toEqual(['States.QueryEvaluationError', expect.stringMatching(/Items of M must be an array/)]);
  });

  it('fails when ItemSelector fails', async () => {
    expect((await failure(run(map(pass(1), { ItemSelector: { x: '{% $states.context.Map.Item.Value.nothing %}' } }), [1]))).error).toBe(
      'States.QueryEvaluationError',
    );
  });

  it('hands its results to Assign and Output', async () => {
    const states = {
      ...map(pass('{% $states.input %}'), {
        Assign: { n: '{% $count($states.result) %}' },
        Output: '{% $sum($states.result) %}',
        End: undefined,
        Next: 'E',
      }),
      E: { Type: 'Succeed', Output: ['{% $n %}', '{% $states.input %}'] },
    };
    expect(await run(JSON.parse(JSON.stringify(states)), [1, 2, 3])).toEqual([3, 6]);
  });
});
