import { LifeboatError } from '../../errors.ts';

export const identifier = (name: string): string => `"${refuseZero(name).replaceAll('"', '""')}"`;

/** `"schema"."name"` */
export const qualified = (schema: string, name: string): string => `${identifier(schema)}.${identifier(name)}`;

/** A text as an SQL literal, whatever standard_conforming_strings says. */
export const literal = (text: string): string => {
  const quoted = refuseZero(text).replaceAll("'", "''");
  return quoted.includes('\\') ? `E'${quoted.replaceAll('\\', '\\\\')}'` : `'${quoted}'`;
};

/** `"a", "b"` */
export const columnList = (columns: readonly string[]): string => columns.map(identifier).join(', ');

const refuseZero = (text: string): string => {
  if (!text.includes('\0')) return text;
  throw new LifeboatError('SourceProblem', `a name holds a zero byte: ${JSON.stringify(text)}`, { hint: 'No name in PostgreSQL can.' });
};
