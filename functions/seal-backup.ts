import { z } from 'zod';
import { sealBackup } from '../src/backup/seal.ts';
import { BackupInput } from './inputs.ts';
import { step } from './step.ts';

const Input = BackupInput.extend({ resume: z.string().nullable() });

/** Runs the seal stage; at its end writes RESTORE.md and then the manifest, with which the backup exists. */
export const handler = step(Input, async (input, { runtime, entry, openSource, budget }) =>
  sealBackup(runtime, await openSource(input.source), { ...input, kind: entry(input.source).kind }, budget),
);
