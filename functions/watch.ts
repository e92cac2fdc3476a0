import { z } from 'zod';
import { metricsLine, observe } from '../src/drill/watch.ts';
import { uploadsLeft } from '../src/environment/uploads.ts';
import { step } from './step.ts';

const NAMESPACE = 'Lifeboat';

/** Hourly: how old each source's newest backup and newest proof are, as metrics. One source that cannot be read hides no other. */
export const handler = step(z.object({}), async (_input, { runtime, environment }) => {
  const failures: unknown[] = [];
  for (const source of Object.keys(environment.sources)) {
    try {
      const line = metricsLine(
        await observe(runtime, source, await uploadsLeft(environment, source, runtime.now())),
        { environment: environment.name, namespace: NAMESPACE },
        runtime.now(),
      );
      // Not through the console, which Lambda rewrites: CloudWatch takes metrics from a line that is nothing but them.
      process.stdout.write(`${line}\n`);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures.length === 1 ? failures[0] : new AggregateError(failures, failures.map(String).join('; '));
});
