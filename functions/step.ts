import type { z } from 'zod';
import { type Failure, failureOf, recordFailure, withHint } from '../src/backup/failures.ts';
import { readWorld } from '../src/environment/bundled.ts';
import type { World } from '../src/environment/world.ts';
import { LifeboatError } from '../src/errors.ts';
import type { Budget } from '../src/sources/contract.ts';

/** What a step may use: its world, and the time that its function has. */
export interface StepContext extends World {
  readonly budget: Budget;
  /** Unique for each invocation. */
  readonly attempt: string;
}

/** The part of a Lambda context that the steps use. */
export interface FunctionContext {
  readonly awsRequestId: string;
  getRemainingTimeInMillis(): number;
  /** Not on AWS: after so many milliseconds a step hands back what it can do later. A test forces every continuation with it. */
  readonly handBackAfterMs?: number | undefined;
}

export type Handler = (event: unknown, context: FunctionContext) => Promise<unknown>;

/** Time kept back to store a receipt and to answer: at most this, in milliseconds … */
const MARGIN_MS = 20_000;
/** … and this part of the function's time where that is short. */
const MARGIN_SHARE = 0.25;

/** A function: parses its input, does the step, and says in its error's name what went wrong. */
export const step =
  <Input>(input: z.ZodType<Input>, run: (input: Input, context: StepContext) => Promise<unknown>): Handler =>
  async (event, context) => {
    const world = await readWorld();
    const { budget, end } = budgetOf(context);
    try {
      return (await run(input.parse(event), { ...world, budget, attempt: context.awsRequestId })) ?? {};
    } catch (error) {
      throw await reported(world, event, context, isAbort(error) && budget.signal.aborted ? budget.signal.reason : error);
    } finally {
      end();
    }
  };

/** Handing back takes pieces that fit into a function; to try the same again would end the same. */
const outOfTime = (total: number): LifeboatError =>
  new LifeboatError(
    'NoProgress',
    `the time of this function, ${Math.round(total / 1000)} s, was over before its work could be handed back`,
    {
      hint: 'A single piece of this work takes longer than one function may run; is the server very slow?',
    },
  );

const isAbort = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError';

const budgetOf = (context: FunctionContext): { readonly budget: Budget; readonly end: () => void } => {
  const total = context.getRemainingTimeInMillis();
  const margin = Math.min(MARGIN_MS, total * MARGIN_SHARE);
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(outOfTime(total)), Math.max(0, total - margin / 2)).unref();
  const early = context.handBackAfterMs === undefined ? 0 : Math.max(0, total - margin - context.handBackAfterMs);
  const remaining = (): number => context.getRemainingTimeInMillis() - margin - early;
  return { budget: { remaining, signal: controller.signal }, end: () => clearTimeout(timer) };
};

/** Writes the failure down for whoever ends the run, and puts the hint where Lambda carries it: into the message. */
const reported = async (world: World, event: unknown, context: FunctionContext, error: unknown): Promise<unknown> => {
  const failure = failureOf('', error);
  const run = runOf(event);
  if (run !== undefined) await noted(world, run, failure, context.awsRequestId);
  if (error instanceof LifeboatError) error.message = withHint(failure);
  return error;
};

/** A store that takes no record does not hide what went wrong before. */
const noted = async ({ runtime }: World, run: Run, failure: Failure, attempt: string): Promise<void> => {
  try {
    await recordFailure(runtime, run.source, run.id, failure, attempt);
  } catch (error) {
    runtime.report({ type: 'warning', message: `${failure.code} could not be written down: ${failureOf('', error).message}` });
  }
};

interface Run {
  readonly source: string;
  readonly id: string;
}

const runOf = (event: unknown): Run | undefined => {
  if (typeof event !== 'object' || event === null || !('source' in event) || typeof event.source !== 'string') return undefined;
  const id = 'restore' in event ? event.restore : 'drill' in event ? event.drill : 'backup' in event ? event.backup : undefined;
  return typeof id === 'string' ? { source: event.source, id } : undefined;
};
