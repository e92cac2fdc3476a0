import { z } from 'zod';
import { compareDigests } from '../backup/digest.ts';
import { CheckSchema, ClassDigestSchema, TextSchema } from '../backup/schemas.ts';
import type { Assertion, Check, ClassDigest, Manifest, Verdict } from '../backup/types.ts';
import { LifeboatError } from '../errors.ts';
import { parseJson } from '../json.ts';
import { clip } from './clip.ts';

/** What a restored system answered, summed over all tasks of its audit. */
export interface Audited {
  readonly manifest: Pick<Manifest, 'digests' | 'assertions'>;
  /** One a class, summed over the receipts. */
  readonly digests: readonly ClassDigest[];
  /** The product's own checks, from the receipts' facts. */
  readonly checks: readonly Check[];
  /** What the restored product says of its content, where its audit hands that over instead of judging it in `checks`. */
  readonly assertions: readonly Assertion[];
  /** What the audit says itself that it could not look at. */
  readonly notMeasured?: readonly NotMeasured[];
}

export interface AuditResult {
  readonly formatVersion: 1;
  readonly verdict: Verdict;
  readonly checks: readonly Check[];
  /** Names of the classes with a failed check, sorted, each once; the negative control is judged by them. */
  readonly failedClasses: readonly string[];
  readonly notMeasured: readonly NotMeasured[];
  readonly digests: readonly ClassDigest[];
}

export interface NotMeasured {
  readonly what: string;
  readonly why: string;
}

/**
 * Compares what was restored with what the manifest promises. An audit that looked at no class, when there are some, has measured
 * nothing: it does not pass. A mismatch that was seen fails it, whatever else was not looked at.
 */
export const judgeAudit = ({ manifest, digests, checks, assertions, notMeasured = [] }: Audited): AuditResult => {
  const blind = manifest.digests.length > 0 && digests.length === 0;
  const ofClasses = blind ? [] : compareDigests(manifest.digests, digests);
  const said = compareAssertions(manifest.assertions, assertions, checks);
  const all = [...ofClasses, ...said.checks, ...checks].map(bounded);
  const nothing = blind || all.length === 0;
  return {
    formatVersion: 1,
    verdict: all.some((check) => !check.ok) ? 'FAILED' : nothing || notMeasured.length > 0 ? 'NOT_MEASURED' : 'PASSED',
    checks: all,
    failedClasses: failedClassesOf(all),
    notMeasured: [...(nothing ? [unseen(manifest.digests.length)] : []), ...notMeasured, ...said.notMeasured],
    digests,
  };
};

const bounded = (check: Check): Check => ({ ...check, name: clip(check.name), expected: clip(check.expected), actual: clip(check.actual) });

const unseen = (classes: number): NotMeasured =>
  classes === 0
    ? { what: 'the content', why: 'neither the manifest nor the audit names anything to compare' }
    : { what: `the content of ${classes} ${classes === 1 ? 'class' : 'classes'}`, why: 'the audit looked at no class' };

const failedClassesOf = (checks: readonly Check[]): string[] =>
  [...new Set(checks.flatMap((check) => (check.ok || check.class === undefined ? [] : [check.class])))].sort();

/** An assertion of the manifest is answered by one of the same name, or by a check of that name which its audit made itself. */
const compareAssertions = (
  expected: readonly Assertion[],
  actual: readonly Assertion[],
  checks: readonly Check[],
): { readonly checks: readonly Check[]; readonly notMeasured: readonly NotMeasured[] } => {
  const values = new Map(actual.map(({ name, value }) => [name, value]));
  const judged = new Set(checks.map(({ name }) => name));
  const open = expected.filter(({ name }) => !judged.has(name));
  return {
    checks: open.flatMap(({ name, value }) => {
      const answer = values.get(name);
      return answer === undefined ? [] : [{ name, expected: value, actual: answer, ok: answer === value }];
    }),
    notMeasured: open
      .filter(({ name }) => !values.has(name))
      .map(({ name }) => ({ what: name, why: 'the audit did not ask the restored system' })),
  };
};

/** Some 5 KiB a class with its buckets, for ten thousand classes. */
export const AUDIT_MAX_BYTES = 64 * 1024 * 1024;

const AuditResultSchema: z.ZodType<AuditResult> = z.object({
  formatVersion: z.literal(1),
  verdict: z.enum(['PASSED', 'FAILED', 'NOT_MEASURED']),
  checks: z.array(CheckSchema),
  failedClasses: z.array(TextSchema),
  notMeasured: z.array(z.object({ what: TextSchema, why: TextSchema })),
  digests: z.array(ClassDigestSchema),
});

/** One line of JSON, as it is stored under `control`. Fails with RecordTooLarge. */
export const encodeAudit = (result: AuditResult): Uint8Array => {
  const bytes = Buffer.from(`${JSON.stringify(result)}\n`);
  if (bytes.length > AUDIT_MAX_BYTES)
    throw new LifeboatError('RecordTooLarge', `the result of the audit has ${bytes.length} bytes, more than ${AUDIT_MAX_BYTES}`, {
      hint: 'Split the source: it has too many object classes for one audit.',
    });
  return bytes;
};

/** Fails with NotMeasured on anything but what `encodeAudit` made: a result that cannot be read has measured nothing. */
export const decodeAudit = (bytes: Uint8Array): AuditResult => {
  if (bytes.length > AUDIT_MAX_BYTES) throw unreadable(`it has ${bytes.length} bytes, more than ${AUDIT_MAX_BYTES}`);
  const parsed = AuditResultSchema.safeParse(json(bytes));
  if (!parsed.success) throw unreadable(z.prettifyError(parsed.error));
  return parsed.data;
};

const json = (bytes: Uint8Array): unknown => {
  try {
    return parseJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw unreadable('it is not JSON', cause);
  }
};

const unreadable = (why: string, cause?: unknown): LifeboatError =>
  new LifeboatError('NotMeasured', `the result of the audit cannot be read: ${why}`, { hint: 'Run the drill again.', cause });
