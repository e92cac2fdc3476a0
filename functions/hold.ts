import { z } from 'zod';
import { holdInstant } from '../src/backup/instants.ts';
import { LifeboatError } from '../src/errors.ts';
import { BackupInput } from './inputs.ts';
import { step } from './step.ts';

const Input = BackupInput.extend({ lane: z.union([z.literal(0), z.literal(1)]), round: z.int().nonnegative() });

/** One round of a lane: keeps the instant alive until it is released, or until the function's time is nearly over. */
export const handler = step(Input, async (input, { runtime, openSource, budget, attempt }) => {
  const source = await openSource(input.source);
  const hold = source.hold?.bind(source);
  if (hold === undefined) throw new LifeboatError('Unsupported', `source ${input.source} holds no instant`);
  const released = await holdInstant(runtime, hold, { ...input, attempt }, budget);
  return { released, round: input.round + 1 };
});
