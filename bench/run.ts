/** `npm run bench -- [kind] [options]`: one kind of source beside its native tools; PostgreSQL when none is named. */
const BENCHES: Readonly<Record<string, () => Promise<unknown>>> = {
  juicefs: () => import('./juicefs.ts'),
  lakefs: () => import('./lakefs.ts'),
  meilisearch: () => import('./meilisearch.ts'),
  mysql: () => import('./mysql-dump.ts'),
  postgres: () => import('./postgres-dump.ts'),
};

const named = process.argv[2]?.startsWith('-') === false ? process.argv.splice(2, 1)[0] : undefined;
const bench = BENCHES[named ?? 'postgres'];
if (bench === undefined) {
  console.error(`error: no bench called ${named}\nhint: There are ${Object.keys(BENCHES).join(', ')}.`);
  process.exitCode = 2;
} else await bench();
