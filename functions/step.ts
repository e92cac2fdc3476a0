import type { z } from 'zod';
import { type Failure, failureOf, recordFailure, withHint } from '../src/backup/failures.ts';
import { readWorld, stepLog } from '../src/environment/bundled.ts';
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
    const log = stepLog();
    const begun = performance.now();
    const took = (): number => Math.round(performance.now() - begun);
    const at = runOf(event);
    log.begin({ request: context.awsRequestId, ...at });
    const { budget, end } = budgetOf(context);
    try {
      const answer = (await run(input.parse(event), { ...world, budget, attempt: context.awsRequestId })) ?? {};
      log.ended(took());
      return answer;
    } catch (error) {
      const thrown: unknown = isAbort(error) && budget.signal.aborted ? budget.signal.reason : error;
      const failure = failureOf('', thrown);
      log.failed(failure, took());
      await recorded(world, at, context, failure);
      // Lambda carries a name and a message, so the hint goes into the message.
      if (thrown instanceof LifeboatError) thrown.message = withHint(failure);
      throw thrown;
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

/** Writes the failure down for whoever ends the run. A store that takes no record does not hide what went wrong before. */
const recorded = async ({ runtime }: World, { source, run }: Place, context: FunctionContext, failure: Failure): Promise<void> => {
  if (source === undefined || run === undefined) return;
  try {
    await recordFailure(runtime, source, run, failure, context.awsRequestId);
  } catch (error) {
    runtime.report({ type: 'warning', message: `${failure.code} could not be written down: ${failureOf('', error).message}` });
  }
};

/** What an event is about, as far as it says so. */
interface Place {
  readonly source?: string;
  readonly run?: string;
}

const runOf = (event: unknown): Place => {
  if (typeof event !== 'object' || event === null || !('source' in event) || typeof event.source !== 'string') return {};
  const run = 'restore' in event ? event.restore : 'drill' in event ? event.drill : 'backup' in event ? event.backup : undefined;
  return { source: event.source, ...(typeof run === 'string' ? { run } : {}) };
};
