import { z } from 'zod';
import { failureOfCaught } from '../backup/failures.ts';
import { parseBackupId } from '../backup/id.ts';
import { readAll } from '../backup/objects.ts';
import { decodeProof } from '../backup/proof.ts';
import type { BackupId } from '../backup/types.ts';
import type { BackupResult, DrillInput, DrillResult, RestoreInput, RestoreResult, Run } from '../cli/engine.ts';
import type { Environment } from '../environment/environment.ts';
import type { MachineName } from '../environment/names.ts';
import type { World } from '../environment/world.ts';
import { LifeboatError } from '../errors.ts';
import { parseIfJson } from '../json.ts';
import { readAudit } from '../restore/conclude.ts';
import { systemOf } from '../sources/registry.ts';
import { type Ended, type MachineInput, succeeded } from './ended.ts';

/** Whoever runs the machines: this machine, or Step Functions. */
export interface Runner {
  readonly environment: Environment;
  /** For the stores that executions leave their results in. */
  world(): Promise<World>;
  /** Runs an execution to its end, whatever the end is. */
  execute(machine: MachineName, input: MachineInput, run: Run): Promise<Ended>;
}

/** The three machines, each run to its end; what they answer is checked like any other input. */

const Backup = z.string().transform((text, context): BackupId => {
  const id = parseBackupId(text);
  if (id === undefined) context.addIssue({ code: 'custom', message: 'not the id of a backup' });
  return id ?? z.NEVER;
});

const BackupOutput = z.object({ source: z.string(), backup: Backup, already: z.boolean(), warning: z.unknown().optional() });

export const backup = async (runner: Runner, source: string, run: Run): Promise<BackupResult> => {
  (await runner.world()).entry(source);
  const { execution, output } = succeeded(await runner.execute('backup', { source }, run));
  const made = BackupOutput.parse(output);
  if (made.warning !== null && made.warning !== undefined)
    run.report({ type: 'warning', message: `the backup is good; what came after it failed: ${failureOfCaught(made.warning).message}` });
  return { source: made.source, backup: made.backup, already: made.already, execution };
};

const RestoreOutput = z.object({
  restore: z.string(),
  backup: Backup,
  phases: z.array(z.object({ name: z.string(), seconds: z.number() })),
});

export const restore = async (runner: Runner, input: RestoreInput, run: Run): Promise<RestoreResult> => {
  const world = await runner.world();
  const target = input.target ?? runner.environment.sources[input.source]?.restore?.target;
  const entry = target === undefined ? undefined : runner.environment.targets[target];
  const { execution, output } = succeeded(
    await runner.execute(
      'restore',
      { source: input.source, backup: input.backup, target: target ?? null, overwrite: input.overwrite, only: input.only ?? null },
      run,
    ),
  );
  const done = RestoreOutput.parse(output);
  const audit = await readAudit(world.runtime, input.source, done.restore);
  return {
    source: input.source,
    backup: done.backup,
    target: entry === undefined ? '' : systemOf(entry).redacted,
    execution,
    seconds: done.phases.reduce((sum, { seconds }) => sum + seconds, 0),
    checks: audit.checks,
  };
};

/** What the machine answers when it proved the backup, and what it fails with when it did not. */
const DrillOutput = z.object({ proof: z.string(), report: z.string(), warning: z.unknown().optional() });

export const drill = async (runner: Runner, input: DrillInput, run: Run): Promise<DrillResult> => {
  const world = await runner.world();
  const ended = await runner.execute(
    'drill',
    {
      source: input.source,
      backup: input.backup ?? null,
      selection: input.selection ?? null,
      scratch: input.scratch ?? null,
      seed: input.seed ?? null,
    },
    run,
  );
  const told = ended.outcome.status === 'SUCCEEDED' ? ended.outcome.output : parseIfJson(ended.outcome.cause);
  const keys = DrillOutput.safeParse(told);
  if (!keys.success) {
    succeeded(ended);
    throw new LifeboatError('NotMeasured', 'the drill ended without a proof', { hint: 'See `lifeboat logs`.' });
  }
  const { warning } = keys.data;
  if (warning !== null && warning !== undefined)
    run.report({ type: 'warning', message: `the scratch target was not discarded at once: ${failureOfCaught(warning).message}` });
  const bytes = await readAll(world.runtime.store, keys.data.proof);
  if (bytes === undefined) throw new LifeboatError('NoSuchObject', `the proof ${keys.data.proof} is not in the store`);
  return { proof: decodeProof(bytes), keys: { json: keys.data.proof, html: keys.data.report } };
};
