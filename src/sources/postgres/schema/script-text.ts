/** A setting that servers older than 17 refuse, and that this form sets where it is known. */
const TRANSACTION_TIMEOUT = /^SET transaction_timeout = 0;$/m;
const TRANSACTION_TIMEOUT_ANYWHERE =
  "SELECT pg_catalog.set_config('transaction_timeout', '0', false) FROM pg_catalog.pg_settings WHERE name = 'transaction_timeout';";

/** The comment that says a script is whole; a section is only a part of one. */
const COMPLETE = /--\n-- PostgreSQL database dump complete\n--\n+$/;

/** psql older than 2025-08 does not know these two commands, and stops. The segment's sha256 protects what they protect. */
const RESTRICT = /^\\(?:un)?restrict \S+\n/gm;

/**
 * A section of pg_dump 18 so that psql and servers from 13 on run it, if they know the definitions themselves. Only the lines
 * that pg_dump adds are touched: the preamble, and the end.
 */
export const forAnyTarget = (section: Uint8Array): string => {
  const text = new TextDecoder('utf-8', { fatal: true }).decode(section);
  const preambleEnd = text.indexOf('SET row_security');
  const preamble = text
    .slice(0, preambleEnd + 1)
    .replace(RESTRICT, '')
    .replace(TRANSACTION_TIMEOUT, TRANSACTION_TIMEOUT_ANYWHERE);
  return (
    preamble +
    text
      .slice(preambleEnd + 1)
      .replace(/\\unrestrict \S+\n+$/, '')
      .replace(COMPLETE, '')
  );
};
