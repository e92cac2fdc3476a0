import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type BuildOptions, build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PG_DUMP_FILES } from '../../../../src/sources/postgres/schema/bundle-files.ts';
import { freshDatabase, query } from '../../../support/postgres.ts';

const root = join(import.meta.dirname, '../../../..');

const ENTRY = `
import { addressFromUrl } from './src/sources/postgres/address.ts';
import { connect } from './src/sources/postgres/connect.ts';
import { openInstant, snapshotOf } from './src/sources/postgres/instant.ts';
import { pgDump } from './src/sources/postgres/schema/pg-dump.ts';
const address = addressFromUrl(new URL(process.argv[2]));
const services = { secret: async () => { throw new Error('no secret'); } };
const holder = await connect(address, services);
const snapshot = snapshotOf(await openInstant(holder));
for (const section of ['pre-data', 'post-data']) {
  process.stdout.write(await pgDump(await connect(address, services), { section, snapshot, timeout: 20000, signal: new AbortController().signal }));
}
await holder.close();
`;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bundle-'));
});
afterAll(() => rm(folder, { recursive: true }));

it('pg_dump runs from a bundle in a folder without node_modules', async () => {
  const common: BuildOptions & { metafile: true } = {
    bundle: true,
    minify: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    absWorkingDir: root,
    mainFields: ['module', 'main'],
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    external: ['pg-native'],
    metafile: true,
    logLevel: 'silent',
  };
  const main = await build({ ...common, stdin: { contents: ENTRY, resolveDir: root, loader: 'ts' }, outfile: join(folder, 'index.mjs') });
  const worker = await build({
    ...common,
    banner: {},
    entryPoints: [PG_DUMP_FILES.worker.from],
    outfile: join(folder, PG_DUMP_FILES.worker.to),
  });
  await copyFile(join(root, PG_DUMP_FILES.wasm.from), join(folder, PG_DUMP_FILES.wasm.to));
  const inputs = [...Object.keys(main.metafile.inputs), ...Object.keys(worker.metafile.inputs)];
  expect(inputs.filter((name) => name.includes('@electric-sql/pglite/'))).toEqual([]);

  const database = await freshDatabase('bundle');
  await query(database.url, 'CREATE TABLE t (a int PRIMARY KEY); CREATE INDEX by_a ON t (a DESC)');
  const { stdout } = await promisify(execFile)(process.execPath, [join(folder, 'index.mjs'), database.url], { cwd: folder, env: {} });
  expect(stdout).toContain('CREATE TABLE public.t');
  expect(stdout).toContain('CREATE INDEX by_a ON public.t USING btree (a DESC);');
  await database.drop();
  expect((await readFile(join(folder, PG_DUMP_FILES.worker.to))).length).toBeLessThan(200_000);
});
