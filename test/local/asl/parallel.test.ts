import { describe, expect, it } from 'vitest';
import { entered, failure, lambda, named, run, testWorld } from './support.ts';

const chain = (state: object) => ({ StartAt: Object.keys(state)[0], States: state });
const wait = (name: string, seconds: number, more: object = { End: true }) => ({ [name]: { Type: 'Wait', Seconds: seconds, ...more } });

describe('Parallel', () => {
  it('runs all branches at once and answers in their order', async () => {
    const world = testWorld();
    const before = world.clock.now();
    const branch = (name: string, seconds: number) =>
      chain({ ...wait(`W${name}`, seconds, { Next: `R${name}` }), [`R${name}`]: { Type: 'Pass', Output: name, End: true } });
    expect(
      await run({ P: { Type: 'Parallel', Branches: [branch('a', 30), branch('b', 10), branch('c', 20)], End: true } }, {}, world),
    ).toEqual(['a', 'b', 'c']);
    expect(world.clock.now() - before).toBe(30_000);
  });

  it('gives each branch its Arguments, or the input', async () => {
    const branches = [chain({ A: { Type: 'Pass', End: true } }), chain({ B: { Type: 'Pass', End: true } })];
    expect(
      await run({ P: { Type: 'Parallel', Branches: branches, Arguments: { n: '{% $states.input.x %}' }, End: true } }, { x: 1 }),
    ).toEqual([{ n: 1 }, { n: 1 }]);
    const again = [chain({ A: { Type: 'Pass', End: true } })];
    expect(await run({ P: { Type: 'Parallel', Branches: again, End: true } }, { x: 1 })).toEqual([{ x: 1 }]);
  });

  it('lets branches see the variables outside; theirs stay inside', async () => {
    const branch = (name: string) =>
      chain({
        [`S${name}`]: { Type: 'Pass', Assign: { [`own${name}`]: '{% $outer & $states.input %}' }, Next: `T${name}` },
        [`T${name}`]: { Type: 'Pass', Output: `{% $own${name} %}`, End: true },
      });
    const states = {
      Set: { Type: 'Pass', Assign: { outer: 'o' }, Output: '!', Next: 'P' },
      P: { Type: 'Parallel', Branches: [branch('a'), branch('b')], Next: 'End' },
      End: { Type: 'Succeed', Output: '{% { "branches": $states.input, "a": $exists($owna) } %}' },
    };
    expect(await run(states)).toEqual({ branches: ['o!', 'o!'], a: false });
  });

  it('assigns from the results in its own scope', async () => {
    const states = {
      P: {
        Type: 'Parallel',
        Branches: [chain({ A: { Type: 'Pass', Output: 5, End: true } })],
        Assign: { five: '{% $states.result[0] %}' },
        Next: 'E',
      },
      E: { Type: 'Succeed', Output: '{% $five %}' },
    };
    expect(await run(states)).toBe(5);
  });
});

describe('a branch that fails', () => {
  it('fails the state at once; the others enter no further state and their handlers do not run', async () => {
    const world = testWorld({
      functions: {
        slow: async () => {
          await world.clock.sleep(10_000);
          throw named('Late');
        },
      },
    });
    const slow = {
      Slow: lambda(
        'slow',
        {},
        { Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Handler' }], Retry: [{ ErrorEquals: ['States.ALL'] }], Next: 'After' },
      ),
      After: { Type: 'Pass', End: true },
      Handler: { Type: 'Pass', End: true },
    };
    const fails = { ...wait('W', 1, { Next: 'F' }), F: { Type: 'Fail', Error: 'Broken', Cause: 'on purpose' } };
    const states = {
      P: { Type: 'Parallel', Branches: [chain(slow), chain(fails)], Catch: [{ ErrorEquals: ['Broken'], Next: 'Tidy' }], Next: 'Never' },
      Tidy: { Type: 'Wait', Seconds: 60, End: true },
      Never: { Type: 'Succeed' },
    };
    const before = world.clock.now();
    expect(await run(states, {}, world)).toEqual({ Error: 'Broken', Cause: 'on purpose' });
    expect(world.clock.now() - before).toBe(61_000);
    expect(entered(world)).toEqual(['P', 'Slow', 'W', 'F', 'Tidy']);
    expect(world.calls).toHaveLength(1);
    expect(world.calls[0]?.call.signal.aborted).toBe(false);
  });

  it('cuts short what only waits in the others, and what is inside them', async () => {
    const world = testWorld();
    const nested = {
      Inner: {
        Type: 'Map',
        Items: [1, 2],
        ItemProcessor: chain({ ...wait('Long', 9999, { Next: 'Then' }), Then: { Type: 'Succeed' } }),
        End: true,
      },
    };
    const fails = { ...wait('W', 1, { Next: 'F' }), F: { Type: 'Fail', Error: 'Broken' } };
    const before = world.clock.now();
    expect((await failure(run({ P: { Type: 'Parallel', Branches: [chain(nested), chain(fails)], End: true } }, {}, world))).error).toBe(
      'Broken',
    );
    await world.clock.sleep(20_000);
    expect(world.clock.now() - before).toBe(21_000);
    expect(world.clock.pending()).toBe(0);
    expect(entered(world)).not.toContain('Then');
  });

  it('reports the first error only', async () => {
    const fails = (name: string, seconds: number) =>
      chain({ ...wait(`W${name}`, seconds, { Next: `F${name}` }), [`F${name}`]: { Type: 'Fail', Error: name } });
    expect((await failure(run({ P: { Type: 'Parallel', Branches: [fails('Second', 2), fails('First', 1)], End: true } }))).error).toBe(
      'First',
    );
  });
});
