import type { ArtifactFormat } from '../artifact-format.ts';
import { OPENING } from './session-sql.ts';

/** Its last statement commits, after the assertion of the row counts: a cut script rolls back, and has another end. */
const CLOSING = /(^|\n)COMMIT;\s*$/;

/** A dump script of Lifeboat, or of pg_dump, which ends with a comment of its own. */
const PG_DUMP_OPENING = /^--\n-- PostgreSQL database dump/;
const PG_DUMP_CLOSING = /-- PostgreSQL database dump complete\n--\s*(\\unrestrict \S+\s*)?$/;

export const artifactFile: ArtifactFormat = {
  format: 'PostgreSQL script',
  recognises: (head) => {
    const text = Buffer.from(head).toString('latin1');
    return text.startsWith(OPENING) || PG_DUMP_OPENING.test(text);
  },
  isWhole: (tail) => {
    const text = Buffer.from(tail).toString('latin1');
    return CLOSING.test(text) || PG_DUMP_CLOSING.test(text);
  },
};
