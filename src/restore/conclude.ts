import { z } from 'zod';
import { auditKey, phasesKey } from '../backup/control-keys.ts';
import { openSum } from '../backup/digest.ts';
import { createJson, readAll, readJson } from '../backup/objects.ts';
import type { Runtime } from '../backup/runtime.ts';
import type { Check, Manifest } from '../backup/types.ts';
import { type AuditResult, decodeAudit, encodeAudit, judgeAudit, type NotMeasured } from '../drill/judge.ts';
import { LifeboatError } from '../errors.ts';
import type { Budget, Target } from '../sources/contract.ts';
import type { RestoreRecord } from './record.ts';
import { type Phase, phasesOf, runOf } from './stages.ts';

const FactsSchema = z.object({
  notMeasured: z.array(z.object({ what: z.string(), why: z.string() })).default([]),
  checks: z.array(z.object({ name: z.string(), expected: z.string(), actual: z.string(), ok: z.boolean(), class: z.string().optional() })),
});

export interface Concluded {
  readonly restore: string;
  readonly backup: string;
  readonly verdict: AuditResult['verdict'];
  readonly checks: number;
  readonly failed: readonly string[];
  readonly phases: readonly Phase[];
}

/** Failed checks that are named in the output; the audit's result has them all. */
const FAILED_NAMED = 20;

/** Judges the audit from its receipts and keeps the result for whoever asks: the command line, a drill. */
export const concludeRestore = async (
  runtime: Runtime,
  target: Target,
  record: RestoreRecord,
  manifest: Manifest,
  budget: Budget,
): Promise<Concluded> => {
  const now = runtime.now();
  const digests = openSum();
  const checks: Check[] = [];
  const notMeasured: NotMeasured[] = [];
  for await (const receipt of runOf(runtime, record, manifest).context(budget).receipts(target.audit.name)) {
    for (const digest of receipt.digests) digests.add(digest);
    const facts = FactsSchema.safeParse(receipt.facts);
    if (!facts.success) continue;
    checks.push(...facts.data.checks);
    notMeasured.push(...facts.data.notMeasured);
  }
  const result = judgeAudit({ manifest, digests: digests.end(), checks, assertions: [], notMeasured });
  await runtime.control.create(auditKey(record.source, record.restore), encodeAudit(result));
  const phases = await phasesOf(runtime, target, record, now);
  await createJson(runtime.control, phasesKey(record.source, record.restore), phases);
  return {
    restore: record.restore,
    backup: record.backup,
    verdict: result.verdict,
    checks: result.checks.length,
    failed: result.checks
      .filter((check) => !check.ok)
      .slice(0, FAILED_NAMED)
      .map((check) => check.name),
    phases,
  };
};

export const readAudit = async (runtime: Runtime, source: string, restore: string): Promise<AuditResult> => {
  const bytes = await readAll(runtime.control, auditKey(source, restore));
  if (bytes === undefined) throw new LifeboatError('NotMeasured', `restore ${restore} of ${source} has no audit`);
  return decodeAudit(bytes);
};

const PhasesSchema = z.array(z.object({ name: z.string(), seconds: z.number() }));

/** What the time of a restore went into; empty when it did not end. */
export const readPhases = async (runtime: Runtime, source: string, restore: string): Promise<readonly Phase[]> =>
  PhasesSchema.parse((await readJson(runtime.control, phasesKey(source, restore))) ?? []);
