import { beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type FunctionContext, step } from '../../functions/step.ts';
import { readFailures } from '../../src/backup/failures.ts';
import { useWorld } from '../../src/environment/bundled.ts';
import type { World } from '../../src/environment/world.ts';
import { LifeboatError } from '../../src/errors.ts';
import type { Budget } from '../../src/sources/contract.ts';
import { withFaults } from '../support/faults.ts';
import { memoryRuntime, type TestRuntime } from '../support/runtime.ts';

const unused = (): never => {
  throw new Error('this step does not use that');
};

const worldOf = (runtime: TestRuntime): World => ({
  environment: {
    name: 'test',
    root: '/',
    store: { url: 'memory://store' },
    control: { url: 'memory://control' },
    sources: {},
    targets: {},
  },
  runtime,
  entry: unused,
  openSource: unused,
  openTarget: unused,
  describeScratch: unused,
});

const contextOf = (milliseconds: number, more: Partial<FunctionContext> = {}): FunctionContext => {
  const end = performance.now() + milliseconds;
  return { awsRequestId: 'request-1', getRemainingTimeInMillis: () => end - performance.now(), ...more };
};

let runtime: TestRuntime;
beforeEach(() => {
  runtime = memoryRuntime();
  useWorld(worldOf(runtime));
});

const Input = z.object({ source: z.string(), backup: z.string() });
const event = { source: 'sea', backup: '20261121T013000Z-4f2a' };

const failing = step(Input, async () => {
  throw new LifeboatError('SourceChanged', 'table public.t was truncated', { hint: 'Start a new backup.' });
});

const budgetIn = async (context: FunctionContext): Promise<Budget> => {
  let seen: Budget | undefined;
  await step(Input, async (_, { budget }) => void (seen = { remaining: budget.remaining, signal: budget.signal }))(event, context);
  if (seen === undefined) throw new Error('the step was not called');
  return seen;
};

describe('a step', () => {
  it('answers what it is told to, and something where that is nothing', async () => {
    expect(await step(Input, async ({ source }) => ({ hello: source }))(event, contextOf(1000))).toEqual({ hello: 'sea' });
    expect(await step(Input, async () => undefined)(event, contextOf(1000))).toEqual({});
  });

  it('refuses an event that is not its input', async () => {
    await expect(step(Input, async () => 1)({ source: 7 }, contextOf(1000))).rejects.toMatchObject({ name: 'ZodError' });
  });

  it('puts its hint where Lambda carries it, under the name that the machines match', async () => {
    await expect(failing(event, contextOf(1000))).rejects.toMatchObject({
      name: 'SourceChanged',
      message: 'table public.t was truncated\nhint: Start a new backup.',
    });
  });

  it('writes down what it failed with, for whoever ends the run', async () => {
    await failing(event, contextOf(1000)).catch(() => {});
    expect(await readFailures(runtime, 'sea', event.backup)).toEqual([
      { step: '', code: 'SourceChanged', message: 'table public.t was truncated', hint: 'Start a new backup.' },
    ]);
  });

  it.each([
    [{ ...event, restore: 'R', drill: 'D' }, 'R'],
    [{ ...event, drill: 'D' }, 'D'],
  ])('writes it under the run that it belongs to: %j', async (input, run) => {
    await step(z.object({}), async () => unused())(input, contextOf(1000)).catch(() => {});
    expect(await readFailures(runtime, 'sea', run)).toHaveLength(1);
  });

  it('fails with its own error, also where that cannot be written down', async () => {
    const control = withFaults(runtime.control, [{ on: 'create', fault: { kind: 'fail', code: 'StoreDenied' } }]);
    useWorld(worldOf({ ...runtime, control }));
    await expect(failing(event, contextOf(1000))).rejects.toMatchObject({ name: 'SourceChanged' });
    expect(runtime.reported).toContainEqual({
      type: 'warning',
      message: expect.stringContaining('SourceChanged could not be written down'),
    });
  });

  it('keeps back time for its receipt: 20 seconds, or a quarter where it has little', async () => {
    const long = await budgetIn(contextOf(900_000));
    expect(long.remaining() / 1000).toBeCloseTo(880, 0);
    const short = await budgetIn(contextOf(2_000));
    expect(short.remaining() / 1000).toBeCloseTo(1.5, 0);
  });

  it('hands back at once where it is told to', async () => {
    const budget = await budgetIn(contextOf(900_000, { handBackAfterMs: 0 }));
    expect(budget.remaining()).toBeLessThanOrEqual(0);
    expect(budget.signal.aborted).toBe(false);
  });

  it('stops its work before its time is over', async () => {
    const stuck = step(
      Input,
      (_, { budget }) => new Promise((_resolve, reject) => budget.signal.addEventListener('abort', () => reject(budget.signal.reason))),
    );
    const begun = performance.now();
    // The timer of the step keeps no process alive.
    const alive = setTimeout(() => {}, 5_000);
    await expect(stuck(event, contextOf(200))).rejects.toMatchObject({
      name: 'NoProgress',
      message: expect.stringMatching(/was over.*\nhint: /),
    });
    clearTimeout(alive);
    expect(performance.now() - begun).toBeLessThan(1_000);
  });
});
