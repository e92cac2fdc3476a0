import { z } from 'zod';
import { probeTargets } from '../src/environment/probe.ts';
import { step } from './step.ts';

/** `lifeboat doctor` calls it: what the restorer's role reaches of where restores and drills go, from where it runs. */
export const handler = step(z.object({ source: z.string() }), async ({ source }, context) => probeTargets(context, source));
