import type { Proof } from '../backup/types.ts';
import type { Tampering } from '../sources/contract.ts';
import type { AuditResult } from './judge.ts';

export type Control = NonNullable<Proof['control']>;

/**
 * Judges the audit that looked at damage made on purpose: it is worth something only if it failed on exactly the damaged classes.
 * Damage to nothing, and an audit that measured nothing, prove nothing.
 */
export const judgeControl = (tampering: Tampering, auditAfter: AuditResult): Control => {
  const expected = [...new Set(tampering.classes)].sort();
  const failed = [...new Set(auditAfter.failedClasses)].sort();
  const exactly = expected.length === failed.length && expected.every((name, index) => name === failed[index]);
  return { what: tampering.what, expected, failed, ok: auditAfter.verdict === 'FAILED' && expected.length > 0 && exactly };
};
