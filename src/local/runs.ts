import { z } from 'zod';
import { failureOfCaught } from '../backup/failures.ts';
import { parseBackupId } from '../backup/id.ts';
import { readAll } from '../backup/objects.ts';
import { decodeProof } from '../backup/proof.ts';
import type { BackupId } from '../backup/types.ts';
import type { BackupResult, DrillInput, DrillResult, RestoreInput, RestoreResult, Run } from '../cli/engine.ts';
import { LifeboatError } from '../errors.ts';
import { readAudit } from '../restore/conclude.ts';
import { systemOf } from '../sources/registry.ts';
import { execute, succeeded } from './executor.ts';
import type { Local } from './local.ts';

/** The three machines, each run to its end; what they answer is checked like any other input. */

const Backup = z.string().transform((text, context): BackupId => {
  const id = parseBackupId(text);
  if (id === undefined) context.addIssue({ code: 'custom', message: 'not the id of a backup' });
  return id ?? z.NEVER;
});

const BackupOutput = z.object({ source: z.string(), backup: Backup, already: z.boolean(), warning: z.unknown() });

export const backup = async (local: Local, source: string, run: Run): Promise<BackupResult> => {
  (await local.ready()).entry(source);
  const { execution, output } = succeeded(await execute(local.environment, 'backup', { source }, run));
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

export const restore = async (local: Local, input: RestoreInput, run: Run): Promise<RestoreResult> => {
  const world = await local.ready();
  const target = input.target ?? local.environment.sources[input.source]?.restore?.target;
  const entry = target === undefined ? undefined : local.environment.targets[target];
  const { execution, output } = succeeded(
    await execute(
      local.environment,
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
const DrillOutput = z.object({ proof: z.string(), report: z.string(), warning: z.unknown() });

export const drill = async (local: Local, input: DrillInput, run: Run): Promise<DrillResult> => {
  const world = await local.ready();
  const ended = await execute(
    local.environment,
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
  const told = ended.outcome.status === 'SUCCEEDED' ? ended.outcome.output : parseJson(ended.outcome.cause);
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

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
