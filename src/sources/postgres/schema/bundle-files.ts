/** What a bundle that dumps PostgreSQL holds beside its own entry, all in one folder. Paths are relative to the repository. */
export const PG_DUMP_FILES = {
  /** An entry of its own: the worker thread. */
  worker: { from: 'src/sources/postgres/schema/pg-dump-worker.ts', to: 'pg-dump-worker.mjs' },
  /** Copied as it is; the worker looks for it beside itself. */
  wasm: { from: 'node_modules/@electric-sql/pglite-tools/dist/pg_dump.wasm', to: 'pg_dump.wasm' },
} as const;
