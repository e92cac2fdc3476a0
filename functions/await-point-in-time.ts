import { awaitInstant, publishInstant, readInstants } from '../src/backup/instants.ts';
import { BackupInput, notYet } from './inputs.ts';
import { step } from './step.ts';

/** Waits until the lanes have published the instant, or opens it for a kind that needs no lanes. */
export const handler = step(BackupInput, async ({ source: name, backup }, { runtime, openSource, budget, attempt }) => {
  const source = await openSource(name);
  if (source.open !== undefined && (await readInstants(runtime, name, backup)).length === 0) {
    const later = await source.ready?.(backup);
    if (later !== undefined) return notYet(runtime, later);
    await publishInstant(runtime, name, backup, 0, await source.open(backup), attempt);
  }
  return { ready: await awaitInstant(runtime, name, backup, budget), wait: 0 };
});
