import type { ArtifactFormat } from '../artifact-format.ts';
import { MARKER } from './catalog.ts';
import { OPENING } from './session-sql.ts';

/** Its last statement writes that the load is complete. */
const CLOSING = new RegExp(`INSERT INTO \`${MARKER}\` \\(item, detail\\) VALUES \\('complete', '\\d+ rows'\\);\\s*$`);

/** mysqldump's, and MariaDB's of newer versions, which begins with a line for its own client. */
const MYSQLDUMP_OPENING = /^(\/\*M?!999999\\- enable the sandbox mode \*\/\s*)?-- (MySQL|MariaDB) dump /;
const MYSQLDUMP_CLOSING = /-- Dump completed( on [^\n]*)?\s*$/;

export const artifactFile: ArtifactFormat = {
  format: 'MySQL script',
  recognises: (head) => {
    const text = Buffer.from(head).toString('latin1');
    return text.startsWith(OPENING) || MYSQLDUMP_OPENING.test(text);
  },
  isWhole: (tail) => {
    const text = Buffer.from(tail).toString('latin1');
    return CLOSING.test(text) || MYSQLDUMP_CLOSING.test(text);
  },
};
