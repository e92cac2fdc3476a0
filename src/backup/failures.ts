import { z } from 'zod';
import { isErrorCode, isRetryable, LifeboatError } from '../errors.ts';
import { parseIfJson } from '../json.ts';
import { failuresPrefix } from './control-keys.ts';
import { createJson, readJson } from './objects.ts';
import type { Runtime } from './runtime.ts';

/** A failed Map does not say why its child failed; the child writes it down, and whoever ends the run reads it. */
const FailureSchema = z.object({ step: z.string(), code: z.string(), message: z.string(), hint: z.string() });
export type Failure = z.infer<typeof FailureSchema>;

/** A hint travels in the message of an error, since Lambda reports nothing but its name and message. */
const HINT = '\nhint: ';

export const failureOf = (step: string, error: unknown): Failure => {
  if (error instanceof LifeboatError) return { step, code: error.code, message: error.message, hint: error.hint };
  if (error instanceof Error) return { step, code: error.name, message: error.message, hint: '' };
  return { step, code: 'Error', message: String(error), hint: '' };
};

export const withHint = (failure: Failure): string => (failure.hint === '' ? failure.message : `${failure.message}${HINT}${failure.hint}`);

export const recordFailure = async (runtime: Runtime, source: string, run: string, failure: Failure, attempt: string): Promise<void> => {
  const at = String(runtime.now().getTime()).padStart(14, '0');
  await createJson(runtime.control, `${failuresPrefix(source, run)}${at}-${attempt}.json`, failure);
};

/** In the order in which they were written down. */
export const readFailures = async (runtime: Runtime, source: string, run: string): Promise<readonly Failure[]> => {
  const recorded: Failure[] = [];
  for await (const { key } of runtime.control.list(failuresPrefix(source, run))) {
    const parsed = FailureSchema.safeParse(await readJson(runtime.control, key));
    if (parsed.success) recorded.push(parsed.data);
  }
  return recorded;
};

const ErrorOutputSchema = z.object({ Error: z.string(), Cause: z.string().default('') });
const LambdaCauseSchema = z.object({ errorType: z.string(), errorMessage: z.string() });
const NestedCauseSchema = z.object({ Error: z.string().optional(), Cause: z.string().optional() });

/** What a Map says of a child that failed: nothing. */
const NAMELESS = new Set(['States.ExceedToleratedFailureThreshold', 'States.TaskFailed', '']);

/** What AWS and the local pool call a function that gave no answer. */
const KILLED = /^((Lambda|Runtime|Sandbox)\.|States\.Timeout$)/;

/** Errors that follow from another one. */
const SECONDARY = new Set(['InstantLost', 'AbortError']);

/** Why a run failed: what the state machine caught, or where that names nothing, what its tasks wrote down. */
export const reasonOf = async (runtime: Runtime, source: string, run: string, caught: unknown): Promise<Failure> => {
  const reason = failureOfCaught(caught);
  if (!NAMELESS.has(reason.code) && !SECONDARY.has(reason.code)) return reason;
  const recorded = await readFailures(runtime, source, run);
  const first = recorded.find(({ code }) => !SECONDARY.has(code) && !(isErrorCode(code) && isRetryable(code)));
  const named = first ?? recorded.at(-1);
  if (named !== undefined || !NAMELESS.has(reason.code)) return named ?? reason;
  return killed(reason.code, reason.message);
};

/** Reads the `{Error, Cause}` of a Catch, also of a nested execution. */
export const failureOfCaught = (caught: unknown): Failure => {
  const output = ErrorOutputSchema.safeParse(caught);
  if (!output.success) return { step: '', code: 'BackupFailed', message: 'it failed, and nothing says why', hint: '' };
  const { Error: name, Cause: cause } = output.data;
  const parsed = parseIfJson(cause);
  if (KILLED.test(name)) return killed(name, cause);
  const lambda = LambdaCauseSchema.safeParse(parsed);
  if (lambda.success) return splitHint(lambda.data.errorType, lambda.data.errorMessage);
  const nested = NestedCauseSchema.safeParse(parsed);
  if (nested.success && nested.data.Error !== undefined)
    return failureOfCaught({ Error: nested.data.Error, Cause: nested.data.Cause ?? '' });
  return splitHint(name, cause);
};

const killed = (name: string, cause: string): Failure => ({
  step: '',
  code: 'FunctionKilled',
  message: `a function gave no answer, again and again (${name})${cause === '' ? '' : `: ${cause}`}`,
  hint: 'It was killed, or ran out of memory or time; its log says more.',
});

const splitHint = (code: string, text: string): Failure => {
  const [message = '', hint = ''] = text.split(HINT);
  return { step: '', code, message, hint };
};

/** The failure as the error that it was. */
export const errorOf = (failure: Failure): LifeboatError =>
  isErrorCode(failure.code)
    ? new LifeboatError(failure.code, failure.message, { hint: failure.hint })
    : new LifeboatError('BackupFailed', `${failure.code}: ${failure.message}`, { hint: failure.hint });
