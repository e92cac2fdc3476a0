import { failureOfCaught } from '../backup/failures.ts';
import { proofKey, proofsPrefix } from '../backup/layout.ts';
import { readAll } from '../backup/objects.ts';
import { decodeProof, encodeProof } from '../backup/proof.ts';
import type { Runtime } from '../backup/runtime.ts';
import type { Proof } from '../backup/types.ts';
import { readAudit, readPhases } from '../restore/conclude.ts';
import { manifestOf } from '../restore/resolve.ts';
import type { AuditResult } from './judge.ts';
import { OWN_PHASES, proofOf, type StepError } from './proof-of.ts';
import { type DrillRecord, readTampering } from './record.ts';
import { renderReport } from './report/report.ts';
import type { Step } from './verdict.ts';

/** What the state machine knows when it comes to the proof. */
export interface Found {
  /** The restore into the scratch target, if it ended. */
  readonly restored: string | null;
  /** The audit of the damaged copy, if it ended. */
  readonly audited: string | null;
  /** `{Error, Cause}` of what was caught, or null. */
  readonly failure: unknown;
  readonly goals: Proof['goals'];
  readonly scratch: string;
}

export interface Proven {
  readonly verdict: Proof['verdict'];
  readonly backup: string;
  readonly rtoSeconds: number | null;
  readonly rpoSeconds: number;
  readonly checks: number;
  readonly failedChecks: number;
  /** Keys in the store. */
  readonly proof: string;
  readonly report: string;
}

/** Earlier drills shown in the history of a report. */
const HISTORY_MAX = 60;

/** Writes the proof and its report. The first proof of a drill stands; a repeated step answers what it says. */
export const recordProof = async (runtime: Runtime, record: DrillRecord, found: Found): Promise<Proven> => {
  const manifest = await manifestOf(runtime, record);
  const key = proofKey(record.source, manifest.backup, record.drill, 'json');
  const made = proofOf({ ...(await partsOf(runtime, record, found)), manifest });
  await runtime.store.create(key, encodeProof(made));
  const proof = decodeProof((await readAll(runtime.store, key)) ?? encodeProof(made));
  const report = proofKey(record.source, manifest.backup, record.drill, 'html');
  const html = renderReport(proof, await historyOf(runtime, record), manifest);
  await runtime.store.create(report, Buffer.from(html));
  return {
    verdict: proof.verdict,
    backup: proof.backup,
    rtoSeconds: proof.rtoSeconds,
    rpoSeconds: proof.rpoSeconds,
    checks: proof.checks.length,
    failedChecks: proof.checks.filter((check) => !check.ok).length,
    proof: key,
    report,
  };
};

const partsOf = async (runtime: Runtime, record: DrillRecord, found: Found) => {
  const { source, drill, execution, seed } = record;
  const audit = found.restored === null ? null : await readAudit(runtime, source, found.restored);
  const phases = found.restored === null ? [] : await readPhases(runtime, source, found.restored);
  const restorePhases = phases.filter(({ name }) => !OWN_PHASES.has(name));
  return {
    drill,
    execution,
    seed,
    startedAt: new Date(record.startedAt),
    endedAt: runtime.now(),
    scratch: found.scratch,
    goals: found.goals,
    phases,
    rtoSeconds: phases.length === 0 ? null : restorePhases.reduce((sum, { seconds }) => sum + seconds, 0),
    audit,
    control: await controlOf(runtime, record, found),
    errors: errorsOf(record, found),
  };
};

const controlOf = async (runtime: Runtime, record: DrillRecord, found: Found) => {
  const tampering = await readTampering(runtime, record);
  if (tampering === undefined || found.audited === null) return null;
  const audit: AuditResult = await readAudit(runtime, record.source, found.audited);
  return { tampering, audit };
};

const errorsOf = (record: DrillRecord, found: Found): readonly StepError[] => {
  if (record.scratch === null)
    return [
      {
        step: 'provision',
        code: 'NotMeasured',
        message: 'no scratch target is configured',
        hint: 'Name one under drill.scratch of the source, or give --scratch <url>.',
      },
    ];
  if (found.failure === null || found.failure === undefined) return [];
  const step: Step = found.restored === null ? 'restore' : 'control';
  const { code, message, hint } = failureOfCaught(found.failure);
  return [{ step, code, message, hint }];
};

const historyOf = async (runtime: Runtime, record: DrillRecord): Promise<readonly Proof[]> => {
  const proofs: Proof[] = [];
  for await (const { key } of runtime.store.list(proofsPrefix(record.source))) {
    if (!key.endsWith('.json')) continue;
    const bytes = await readAll(runtime.store, key);
    if (bytes === undefined) continue;
    const proof = decodeProof(bytes);
    if (proof.drill !== record.drill) proofs.push(proof);
  }
  return proofs.sort((a, b) => (a.startedAt < b.startedAt ? -1 : 1)).slice(-HISTORY_MAX);
};
