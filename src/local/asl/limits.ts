import type { Json } from '../../backup/types.ts';
import { StatesError } from './errors.ts';

/** Step Functions quotas (hard ones) that a machine must fail on here as it would there. */

/** Input, output, arguments and result of a state or an execution, in bytes of UTF-8 JSON. */
export const PAYLOAD_MAX_BYTES = 256 * 1024;
/** Events of one execution; the children of a distributed Map have histories of their own. */
export const HISTORY_MAX_EVENTS = 25_000;
/** All variables of one execution, in bytes of UTF-8 JSON. */
export const VARIABLES_MAX_BYTES = 10 * 1024 * 1024;
/** TimeoutSeconds, Seconds and IntervalSeconds, in seconds. */
export const SECONDS_MAX = 99_999_999;
export const DELAY_MAX_SECONDS = 31_622_400;
/** Characters of a state's name, an execution's name, a variable's name. */
export const NAME_MAX_CHARS = 80;
export const LABEL_MAX_CHARS = 40;
/** A whole definition, in bytes of UTF-8 JSON. */
export const DEFINITION_MAX_BYTES = 1024 * 1024;
export const INLINE_CONCURRENCY_MAX = 40;
export const DISTRIBUTED_CONCURRENCY_MAX = 10_000;

/** Bounds of this interpreter, where Step Functions names none or a far larger one. */

/** Items of one Map: they are held in memory here. A plan has one per minute of work, so this is two years of it. */
export const ITEMS_MAX = 1_000_000;
/** Levels of a JSON value; deeper ones are a mistake and would overflow the stack. */
export const DEPTH_MAX = 200;
/** Characters of one expression. */
export const EXPRESSION_MAX_CHARS = 16_384;
/** Milliseconds of one evaluation, by the machine's own clock. */
export const EVALUATION_MAX_MS = 30_000;
/** Nested calls within one evaluation. */
export const EVALUATION_MAX_DEPTH = 1_000;
/** Elements of a sequence within one evaluation. */
export const SEQUENCE_MAX = 100_000;
/** Elements that `$range` makes, as States.ArrayRange does. */
export const RANGE_MAX = 1_000;

export const jsonBytes = (value: Json): number => Buffer.byteLength(JSON.stringify(value));

/** Fails with States.DataLimitExceeded when `what` is larger than a state may carry. */
export function withinPayload(value: Json, what: string): Json {
  const bytes = jsonBytes(value);
  if (bytes <= PAYLOAD_MAX_BYTES) return value;
  throw new StatesError('States.DataLimitExceeded', `${what} has ${bytes} bytes; at most ${PAYLOAD_MAX_BYTES} are allowed`);
}
