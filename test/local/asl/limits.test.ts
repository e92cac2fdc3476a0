import { describe, expect, it } from 'vitest';
import type { Json } from '../../../src/backup/types.ts';
import { PAYLOAD_MAX_BYTES } from '../../../src/local/asl/limits.ts';
import { answer, failure, lambda, run, testWorld } from './support.ts';

/** A string whose JSON has so many bytes. */
const sized = (bytes: number) => 'x'.repeat(bytes - 2);
const LIMIT = 'States.DataLimitExceeded';

describe('the payload limit of 256 KiB', () => {
  it('holds for the input of the execution', async () => {
    expect(await answer('small', sized(PAYLOAD_MAX_BYTES))).toBe('small');
    expect((await failure(answer('small', sized(PAYLOAD_MAX_BYTES + 1)))).error).toBe(LIMIT);
  });

  it('counts bytes, not characters', async () => {
    expect((await failure(answer('small', 'é'.repeat(PAYLOAD_MAX_BYTES / 2)))).error).toBe(LIMIT);
  });

  const huge = "{% $join([1..270].($pad('', 1000, 'x'))) %}";

  it('holds for output, assigned variables and arguments', async () => {
    const world = testWorld({ functions: { f: () => ({}) } });
    expect((await failure(answer(huge))).error).toBe(LIMIT);
    expect((await failure(run({ A: { Type: 'Pass', Assign: { v: huge }, End: true } }))).error).toBe(LIMIT);
    expect((await failure(run({ A: lambda('f', { v: huge }) }, {}, world))).error).toBe(LIMIT);
    const branch = { StartAt: 'I', States: { I: { Type: 'Pass', End: true } } };
    expect((await failure(run({ P: { Type: 'Parallel', Arguments: huge, Branches: [branch], End: true } }))).error).toBe(LIMIT);
    expect(world.calls).toEqual([]);
  });

  it('holds for the result of a task even where Output would shrink it', async () => {
    const world = testWorld({ functions: { f: () => sized(PAYLOAD_MAX_BYTES) } });
    expect((await failure(run({ A: lambda('f', {}, { Output: 1, End: true }) }, {}, world))).error).toBe(LIMIT);
  });

  it('holds for the joined results of an inline Map and a Parallel', async () => {
    const branch = { StartAt: 'I', States: { I: { Type: 'Pass', Output: "{% $join([1..150].($pad('', 1000, 'x'))) %}", End: true } } };
    expect((await failure(run({ M: { Type: 'Map', Items: [1, 2], ItemProcessor: branch, Output: 1, End: true } }))).error).toBe(LIMIT);
    const other = { StartAt: 'J', States: { J: branch.States.I } };
    expect((await failure(run({ P: { Type: 'Parallel', Branches: [branch, other], Output: 1, End: true } }))).error).toBe(LIMIT);
  });

  it('is not caught by States.ALL or States.TaskFailed, and not retried by them; by its own name it is', async () => {
    const world = () => testWorld({ functions: { f: () => sized(PAYLOAD_MAX_BYTES) } });
    const guarded = (name: string) => ({
      A: lambda('f', {}, { Retry: [{ ErrorEquals: [name], MaxAttempts: 2 }], Catch: [{ ErrorEquals: [name], Next: 'C' }], End: true }),
      C: { Type: 'Succeed', Output: '{% $states.input.Error %}' },
    });
    for (const name of ['States.ALL', 'States.TaskFailed']) {
      const one = world();
      expect((await failure(run(guarded(name), {}, one))).error).toBe(LIMIT);
      expect(one.calls).toHaveLength(1);
    }
    expect(await run(guarded(LIMIT), {}, world())).toBe(LIMIT);
  });

  it('lets variables together have 10 MiB, then no more', async () => {
    const loop = (rounds: number) => {
      const names = Array.from({ length: rounds }, (_, n) => `v${n}`);
      const states = names.map((name, n) => [
        name,
        { Type: 'Pass', Assign: { [name]: '{% $states.input %}' }, Next: names[n + 1] ?? 'Done' },
      ]);
      return { ...Object.fromEntries(states), Done: { Type: 'Succeed', Output: 'fits' } };
    };
    const input: Json = sized(250_000);
    expect(await run(loop(41), input)).toBe('fits');
    expect((await failure(run(loop(42), input))).error).toBe(LIMIT);
  });
});
