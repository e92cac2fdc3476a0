import { z } from 'zod';
import { probeSource } from '../src/environment/probe.ts';
import { step } from './step.ts';

/** `lifeboat doctor` calls it: what the planner's role reaches of the source, from where it runs. */
export const handler = step(z.object({ source: z.string() }), async ({ source }, context) => probeSource(context, source));
