import { failureOfCaught, readFailures } from '../backup/failures.ts';
import { proofKey, proofsPrefix } from '../backup/layout.ts';
import { readAll } from '../backup/objects.ts';
import { decodeProof, encodeProof } from '../backup/proof.ts';
import type { Runtime } from '../backup/runtime.ts';
import type { Proof } from '../backup/types.ts';
import { isLifeboatError } from '../errors.ts';
import { readAudit, readPhases } from '../restore/conclude.ts';
import { AUDIT } from '../restore/stages.ts';
import type { AuditResult } from './judge.ts';
import { OWN_PHASES, proofOf, type StepError } from './proof-of.ts';
import { type DrillRecord, readManifest, readTampering } from './record.ts';
import { renderReport } from './report/report.ts';
import type { Step } from './verdict.ts';

/** What the state machine knows when it comes to the proof. */
export interface Found {
  /** The restore into the scratch target, if it ended. */
  readonly restored: string | null;
  /** The audit of the damaged copy, if it ended. */
  readonly audited: string | null;
  /** The step that failed, or null. */
  readonly failed: 'provision' | 'restore' | 'control' | null;
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
  const manifest = await readManifest(runtime, record);
  const earlier = await historyOf(runtime, record);
  const key = proofKey(record.source, manifest.backup, record.drill, 'json');
  const drilled = proofOf({ ...(await partsOf(runtime, record, found)), manifest });
  const made: Proof = { ...drilled, notMeasured: [...drilled.notMeasured, ...earlier.damaged] };
  await runtime.store.create(key, encodeProof(made));
  const proof = decodeProof((await readAll(runtime.store, key)) ?? encodeProof(made));
  const report = proofKey(record.source, manifest.backup, record.drill, 'html');
  const html = renderReport(proof, earlier.proofs, manifest);
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
  // A restore whose audit broke off leaves its phases with the drill.
  const phases = await readPhases(runtime, source, found.restored ?? drill);
  const restorePhases = phases.filter(({ name }) => !OWN_PHASES.has(name));
  return {
    drill,
    execution,
    seed,
    why: record.why,
    startedAt: new Date(record.startedAt),
    endedAt: runtime.now(),
    scratch: found.scratch,
    goals: found.goals,
    phases,
    rtoSeconds: phases.length === 0 ? null : Math.round(restorePhases.reduce((sum, { seconds }) => sum + seconds, 0) * 1000) / 1000,
    audit,
    control: await controlOf(runtime, record, found),
    errors: await errorsOf(runtime, record, found),
  };
};

const controlOf = async (runtime: Runtime, record: DrillRecord, found: Found) => {
  const tampering = await readTampering(runtime, record);
  if (tampering === undefined || found.audited === null) return null;
  const audit: AuditResult = await readAudit(runtime, record.source, found.audited);
  return { tampering, audit };
};

const errorsOf = async (runtime: Runtime, record: DrillRecord, found: Found): Promise<readonly StepError[]> => {
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
  const { code, message, hint } = failureOfCaught(found.failure);
  return [{ step: await stepOf(runtime, record, found), code, message, hint }];
};

/** A restore that failed in its last stage had restored all; it left a note that says so. */
const stepOf = async (runtime: Runtime, record: DrillRecord, { failed }: Found): Promise<Step> => {
  if (failed !== 'restore') return failed ?? 'restore';
  const notes = await readFailures(runtime, record.source, record.drill);
  return notes.some(({ step }) => step === AUDIT) ? 'audit' : 'restore';
};

interface History {
  readonly proofs: readonly Proof[];
  /** Earlier proofs that cannot be read; they do not stop this one. */
  readonly damaged: Proof['notMeasured'];
}

const historyOf = async (runtime: Runtime, record: DrillRecord): Promise<History> => {
  const proofs: Proof[] = [];
  const damaged: { what: string; why: string }[] = [];
  for (const key of await newestProofs(runtime, record)) {
    const bytes = await readAll(runtime.store, key);
    if (bytes === undefined) continue;
    try {
      proofs.push(decodeProof(bytes));
    } catch (error) {
      if (!isLifeboatError(error, 'ManifestInvalid') && !isLifeboatError(error, 'FormatTooNew')) throw error;
      damaged.push({ what: `the earlier drill ${key}`, why: error.message });
    }
  }
  return { proofs, damaged };
};

/** Keys end with the drill's id, which sorts by time, whatever backup it was of. Without this drill's own. */
const newestProofs = async (runtime: Runtime, record: DrillRecord): Promise<readonly string[]> => {
  const own = `${record.drill}.json`;
  const keys = new Map<string, string>();
  for await (const { key } of runtime.store.list(proofsPrefix(record.source))) {
    const name = key.slice(key.lastIndexOf('/') + 1);
    if (name.endsWith('.json') && name !== own) keys.set(name, key);
  }
  const newest = [...keys.keys()].sort().slice(-HISTORY_MAX);
  return newest.flatMap((name) => keys.get(name) ?? []);
};
