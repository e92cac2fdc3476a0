import { cp, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { build, type Metafile } from 'esbuild';
import type { Environment } from '../src/environment/environment.ts';
import { environmentFile } from '../src/environment/parse.ts';
import { PG_DUMP_FILES } from '../src/sources/postgres/schema/bundle-files.ts';
import { NOTIFY, STEPS, WATCH } from './steps.ts';

const ROOT = resolve(import.meta.dirname, '..');

/** CommonJS packages ask for `require`, which a module does not have. */
const BANNER = "import{createRequire}from'node:module';const require=createRequire(import.meta.url);";

export interface Bundles {
  /** A folder with everything that any function needs; `<step>.handler` is a function's entry. */
  readonly folder: string;
  /** Bytes of code that a function loads from it: its entry and all that the entry may import, now or later. */
  readonly bytesOf: Readonly<Record<string, number>>;
}

/**
 * Bundles every step into one folder. What steps share lies there once, and a function loads only what its own entry imports,
 * so one asset serves all functions of all sources.
 */
export const bundle = async (environment: Environment, folder: string): Promise<Bundles> => {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const steps = [...Object.keys(STEPS), WATCH, NOTIFY];
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: {
      ...Object.fromEntries(steps.map((step) => [step, `functions/${step}.ts`])),
      [PG_DUMP_FILES.worker.to.replace(/\.mjs$/, '')]: PG_DUMP_FILES.worker.from,
    },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    mainFields: ['module', 'main'],
    // pg asks for it, and goes on when it is not there.
    external: ['pg-native'],
    banner: { js: BANNER },
    minify: true,
    sourcemap: true,
    sourcesContent: false,
    metafile: true,
    logLevel: 'warning',
  });
  await cp(join(ROOT, PG_DUMP_FILES.wasm.from), join(folder, PG_DUMP_FILES.wasm.to));
  await writeFile(join(folder, `${environment.name}.json`), `${JSON.stringify(environmentFile(environment), null, 1)}\n`);
  const wasmBytes = (await stat(join(folder, PG_DUMP_FILES.wasm.to))).size;
  return { folder, bytesOf: Object.fromEntries(steps.map((step) => [step, bytesOf(metafile, step) + wasmBytes])) };
};

const bytesOf = (metafile: Metafile, step: string): number => {
  const entry = Object.entries(metafile.outputs).find(([, output]) => output.entryPoint === `functions/${step}.ts`)?.[0];
  const reached = new Set<string>();
  const visit = (path: string): void => {
    if (reached.has(path)) return;
    reached.add(path);
    for (const { path: next, external } of metafile.outputs[path]?.imports ?? []) if (external !== true) visit(next);
  };
  if (entry === undefined) throw new Error(`esbuild made nothing of functions/${step}.ts`);
  visit(entry);
  return [...reached].reduce((sum, path) => sum + (metafile.outputs[path]?.bytes ?? 0), 0);
};
