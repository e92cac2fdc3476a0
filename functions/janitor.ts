import { z } from 'zod';
import { tidy } from '../src/drill/janitor.ts';
import { step } from './step.ts';

const Input = z.object({ source: z.string() });

/** Runs outside of the state machines, hourly and when an execution ended badly: removes what no running execution owns. */
export const handler = step(Input, async ({ source }, { runtime, openSource, openTarget, budget }) =>
  tidy(
    runtime,
    {
      source,
      openTarget: (record) => openTarget({ source, target: null, drill: record.drill }, record),
      expire: (await openSource(source)).tidy,
      settled: false,
    },
    budget,
  ),
);
