/** The little that differs between the two databases that OpenMetadata runs on. */
export interface Dialect {
  readonly identifier: (name: string) => string;
  /** A condition on information_schema.tables t: tables that may be the catalogue's. */
  readonly ofUsers: string;
  /** A JSON column as text. */
  readonly jsonText: (column: string) => string;
}

export const POSTGRES: Dialect = {
  identifier: (name) => `"${name.replaceAll('"', '""')}"`,
  ofUsers: `t.table_schema NOT IN ('pg_catalog', 'information_schema')`,
  jsonText: (column) => `CAST(${column} AS text)`,
};

export const MYSQL: Dialect = {
  identifier: (name) => `\`${name.replaceAll('`', '``')}\``,
  ofUsers: 't.table_schema = DATABASE()',
  jsonText: (column) => `CAST(${column} AS char)`,
};
