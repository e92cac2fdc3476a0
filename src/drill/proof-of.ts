import type { Check, Manifest, Proof } from '../backup/types.ts';
import { LifeboatError } from '../errors.ts';
import type { Tampering } from '../sources/contract.ts';
import { clip } from './clip.ts';
import { type Control, judgeControl } from './control.ts';
import type { AuditResult, NotMeasured } from './judge.ts';
import { atMost, seconds } from './report/format.ts';
import { decide, type Evidence, isFault, STEPS, type Step } from './verdict.ts';

/** What the steps of a drill left behind, however far it came. */
export interface DrillParts {
  readonly drill: string;
  readonly manifest: Pick<Manifest, 'backup' | 'source' | 'pointInTime'>;
  readonly execution: string;
  readonly startedAt: Date;
  readonly endedAt: Date;
  readonly scratch: string;
  readonly goals: Proof['goals'];
  readonly seed: number;
  /** Why this backup was chosen. */
  readonly why: string;
  /** Seconds, in the order in which they ran; see OWN_PHASES for those that are not the restore's. */
  readonly phases: Proof['phases'];
  /** From the start of the restore until the scratch system could be used; null when it never could. */
  readonly rtoSeconds: number | null;
  readonly audit: AuditResult | null;
  /** The damage, and the audit that looked at it. */
  readonly control: { readonly tampering: Tampering; readonly audit: AuditResult } | null;
  readonly errors: readonly StepError[];
}

export interface StepError {
  readonly step: Step;
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** Phases that are the drill's own work and no part of the time that a real restore would take. */
export const OWN_PHASES: ReadonlySet<string> = new Set(['choose', 'provision', 'audit', 'control', 'record', 'discard']);

/** The proof of a drill, also of one that broke off. Fails with ManifestInvalid when the backup's point in time is no time. */
export const proofOf = (parts: DrillParts): Proof => {
  const control = controlOf(parts);
  const age = ageOf(parts);
  const goals = judgeGoals(parts, age);
  const errors = parts.errors.toSorted((a, b) => STEPS.indexOf(a.step) - STEPS.indexOf(b.step));
  const [first, ...rest] = errors;
  return {
    formatVersion: 1,
    drill: parts.drill,
    source: parts.manifest.source.name,
    kind: parts.manifest.source.kind,
    backup: parts.manifest.backup,
    execution: parts.execution,
    verdict: decide(evidenceOf(parts, control.result, goals)),
    startedAt: parts.startedAt.toISOString(),
    endedAt: parts.endedAt.toISOString(),
    scratch: parts.scratch,
    rtoSeconds: parts.rtoSeconds,
    rpoSeconds: age.seconds,
    goals: parts.goals,
    phases: parts.phases,
    checks: [...goals, ...(parts.audit?.checks ?? [])],
    control: control.result,
    notMeasured: [
      ...unrestored(parts),
      ...(parts.audit?.notMeasured ?? []),
      ...control.notMeasured,
      ...age.notMeasured,
      ...rest.map(alsoFailed),
    ],
    failure: first === undefined ? null : { code: clip(first.code), message: clip(first.message), hint: clip(first.hint) },
    seed: parts.seed,
    why: clip(parts.why),
  };
};

const evidenceOf = (parts: DrillParts, control: Control | null, goals: readonly Check[]): Evidence => ({
  restore: parts.errors.some(({ step, code }) => isFault(step, code))
    ? 'faulty'
    : failedAt(parts, 'provision', 'restore')
      ? 'unknown'
      : 'done',
  audit: failedAt(parts, 'audit') ? null : (parts.audit?.verdict ?? null),
  control: control === null || failedAt(parts, 'control') ? 'not-run' : control.ok ? 'ok' : 'failed',
  goalsMet: goals.every((check) => check.ok),
});

const failedAt = (parts: DrillParts, ...steps: readonly Step[]): StepError | undefined =>
  parts.errors.find(({ step }) => steps.includes(step));

const saying = (error: StepError): string => clip(`${error.code}: ${error.message}`);

/** The control tells something only of an audit that had passed before the damage, and that looked at it after. */
const controlOf = (parts: DrillParts): { readonly result: Control | null; readonly notMeasured: readonly NotMeasured[] } => {
  const without = (why: string) => ({ result: null, notMeasured: [{ what: 'the negative control: whether the audit can fail', why }] });
  const error = failedAt(parts, 'provision', 'restore', 'audit', 'control');
  if (error !== undefined)
    return without(error.step === 'control' ? saying(error) : clip(`the drill did not come that far: ${saying(error)}`));
  if (parts.audit?.verdict !== 'PASSED') return without('the audit had not passed before any damage was done');
  if (parts.control === null) return without('nothing was damaged on purpose');
  if (parts.control.tampering.classes.length === 0) return without('this backup holds nothing that could be damaged');
  if (parts.control.audit.verdict === 'NOT_MEASURED') return without('the audit did not look at the damaged system');
  return { result: judgeControl(parts.control.tampering, parts.control.audit), notMeasured: [] };
};

const unrestored = (parts: DrillParts): readonly NotMeasured[] => {
  const error = failedAt(parts, 'provision', 'restore', 'audit');
  const why = error === undefined ? 'no step of the drill says so' : saying(error);
  return [
    ...(parts.rtoSeconds === null ? [{ what: 'the time to restore', why }] : []),
    ...(parts.audit === null ? [{ what: 'the content of the restored system', why }] : []),
  ];
};

const alsoFailed = (error: StepError): NotMeasured =>
  error.step === 'discard'
    ? { what: 'whether the scratch system was removed', why: saying(error) }
    : { what: `the step ${error.step}`, why: saying(error) };

interface Age {
  readonly seconds: number;
  readonly notMeasured: readonly NotMeasured[];
}

const judgeGoals = (parts: DrillParts, age: Age): Check[] => [
  ...goal('time to restore within its goal', parts.goals.rtoSeconds, parts.rtoSeconds),
  ...goal('age of the backup within its goal', parts.goals.rpoSeconds, age.notMeasured.length > 0 ? null : age.seconds),
];

const goal = (name: string, limit: number | undefined, measured: number | null): Check[] =>
  limit === undefined || measured === null ? [] : [{ name, expected: atMost(limit), actual: seconds(measured), ok: measured <= limit }];

const ageOf = (parts: DrillParts): Age => {
  const { at } = parts.manifest.pointInTime;
  const milliseconds = parts.startedAt.getTime() - Date.parse(at);
  if (Number.isNaN(milliseconds))
    throw new LifeboatError('ManifestInvalid', `the point in time of backup ${parts.manifest.backup} is no time: ${JSON.stringify(at)}`, {
      hint: 'Run `lifeboat verify` on this backup.',
    });
  if (milliseconds >= 0) return { seconds: milliseconds / 1000, notMeasured: [] };
  return {
    seconds: 0,
    notMeasured: [{ what: 'the age of the backup', why: `its point in time, ${at}, is later than the drill: the clocks differ` }],
  };
};
