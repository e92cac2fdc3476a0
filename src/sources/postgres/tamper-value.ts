import { identifier } from './sql.ts';

export interface Column {
  readonly name: string;
  /** As format_type has it, without its modifier; the base type of a domain. */
  readonly type: string;
}

/** Another value for a column, as SQL that may refer to the old one; undefined where the type has no simple one. */
export function otherValue({ name, type }: Column): string | undefined {
  const column = identifier(name);
  switch (type) {
    case 'text':
    case 'character varying':
      return `CASE WHEN coalesce(${column}::text, '') = '' THEN 'x' ELSE overlay(${column}::text PLACING ${otherLetter(column)} FROM 1 FOR 1) END`;
    case 'boolean':
      return `NOT coalesce(${column}, false)`;
    case 'smallint':
    case 'integer':
    case 'bigint':
    case 'numeric':
    case 'real':
    case 'double precision':
      return `coalesce(${column}, 0) + 1`;
    case 'jsonb':
      return `CASE WHEN jsonb_typeof(${column}) = 'object' THEN ${column} || '{"lifeboat": "changed"}' ELSE '{"lifeboat": "changed"}' END`;
    case 'json':
      // One blank: jsonb would not see it, the text of json does.
      return `(coalesce(${column}::text, '{}') || ' ')::json`;
    case 'bytea':
      return String.raw`coalesce(${column}, '') || '\x2a'::bytea`;
    case 'date':
      return `${column} + 1`;
    case 'timestamp without time zone':
    case 'timestamp with time zone':
      return `${column} + interval '1 second'`;
    case 'uuid':
      return `overlay(${column}::text PLACING CASE right(${column}::text, 1) WHEN 'a' THEN 'b' ELSE 'a' END FROM 36 FOR 1)::uuid`;
    default:
      return undefined;
  }
}

const otherLetter = (column: string): string => `CASE left(${column}::text, 1) WHEN 'x' THEN 'y' ELSE 'x' END`;
