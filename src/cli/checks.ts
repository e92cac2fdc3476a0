import type { Check } from '../backup/types.ts';
import { exitCodeOf } from '../errors.ts';
import { plural } from './format.ts';
import type { Style } from './style.ts';

/** Failed checks that a summary names; the document has them all. */
const SHOWN = 20;

/** The checks that failed, as lines below a summary; exit 0 when there is none. */
export const failedChecks = (checks: readonly Check[], style: Style): { readonly exit: number; readonly text: string } => {
  const failed = checks.filter((check) => !check.ok);
  if (failed.length === 0) return { exit: 0, text: '' };
  const lines = failed.slice(0, SHOWN).map((check) => `    ${check.name}: expected ${check.expected}, found ${check.actual}`);
  const more = failed.length > SHOWN ? [`    and ${failed.length - SHOWN} more`] : [];
  const title = style.bad(`${failed.length} of ${plural(checks.length, 'check')} failed`);
  return { exit: exitCodeOf('DigestMismatch'), text: [title, ...lines, ...more].join('\n') };
};
