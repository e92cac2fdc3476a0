import { MARKER } from './catalog.ts';

const KIND = /^(?:--[^\n]*\n\s*|\/\*[^!][\s\S]*?\*\/\s*)*([A-Za-z]+)/;

/** The first word, in upper case: `INSERT`, `CREATE`; empty for what begins with an executable comment. */
export const kindOf = (sql: string): string => KIND.exec(sql.slice(0, 500))?.[1]?.toUpperCase() ?? '';

export const isTransaction = (sql: string): boolean => /^(START TRANSACTION|COMMIT)$/i.test(sql);

/** Statements about the marker are those of a load by hand; a restore has its own. */
export const isOfMarker = (sql: string): boolean =>
  sql.startsWith(`CREATE TABLE \`${MARKER}\``) || sql.startsWith(`INSERT INTO \`${MARKER}\``);

const DEFINER =
  /^(CREATE\s+(?:OR\s+REPLACE\s+)?(?:ALGORITHM\s*=\s*\w+\s+)?)DEFINER\s*=\s*(?:`(?:[^`]|``)*`|\S+?)@(?:`(?:[^`]|``)*`|\S+)\s+/i;

/** The same definition, owned by whoever makes it. */
export const withoutDefiner = (sql: string): string => sql.replace(DEFINER, '$1');

const EVENT = /^CREATE\s+(?:DEFINER\s*=\s*\S+\s+)?EVENT\b/i;

/** An event that is there and does nothing: a copy must not act on its own. */
export const withoutSchedule = (sql: string): string =>
  EVENT.test(sql) ? sql.replace(/(\bON COMPLETION (?:NOT )?PRESERVE) ENABLE\b/i, '$1 DISABLE') : sql;

/** For messages: the beginning of a statement, never its values. */
export const naming = (sql: string): string => {
  const text = /^[^('"]*/.exec(sql.slice(0, 100))?.[0] ?? '';
  return text.replaceAll(/\s+/g, ' ').trim() || 'a statement';
};
