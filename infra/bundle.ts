import { cp, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { build, type Metafile } from 'esbuild';
import type { Environment } from '../src/environment/environment.ts';
import { environmentFile } from '../src/environment/parse.ts';
import { NOTIFY, STEPS, WATCH } from '../src/environment/steps.ts';
import { PG_DUMP_FILES } from '../src/sources/postgres/schema/bundle-files.ts';

const ROOT = resolve(import.meta.dirname, '..');

/** CommonJS packages ask for `require`, which a module does not have. */
const BANNER = "import{createRequire}from'node:module';const require=createRequire(import.meta.url);";

export interface Bundles {
  /** A folder with everything that any function needs; `<step>.handler` is a function's entry. */
  readonly folder: string;
  readonly loads: Readonly<Record<string, Loads>>;
}

/** What a function loads of the folder. */
export interface Loads {
  /** Bytes of its entry and of all that the entry may import, now or later. */
  readonly bytes: number;
  /** Bytes of what is there before its first invocation: what is imported later costs only who needs it. */
  readonly startBytes: number;
  /** Packages of the latter. */
  readonly startPackages: readonly string[];
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
  const loads = (step: string): Loads => {
    const start = outputsOf(metafile, step, false);
    return {
      bytes: bytesIn(metafile, outputsOf(metafile, step, true)) + wasmBytes,
      startBytes: bytesIn(metafile, start),
      startPackages: packagesIn(metafile, start),
    };
  };
  return { folder, loads: Object.fromEntries(steps.map((step) => [step, loads(step)])) };
};

/** Files of the folder that a step's entry reaches, with or without those that it imports when it needs them. */
const outputsOf = (metafile: Metafile, step: string, later: boolean): ReadonlySet<string> => {
  const entry = Object.entries(metafile.outputs).find(([, output]) => output.entryPoint === `functions/${step}.ts`)?.[0];
  if (entry === undefined) throw new Error(`esbuild made nothing of functions/${step}.ts`);
  const reached = new Set<string>();
  const visit = (path: string): void => {
    if (reached.has(path)) return;
    reached.add(path);
    for (const { path: next, external, kind } of metafile.outputs[path]?.imports ?? [])
      if (external !== true && (later || kind === 'import-statement')) visit(next);
  };
  visit(entry);
  return reached;
};

const bytesIn = (metafile: Metafile, outputs: ReadonlySet<string>): number =>
  [...outputs].reduce((sum, path) => sum + (metafile.outputs[path]?.bytes ?? 0), 0);

const PACKAGE = /^node_modules\/((?:@[^/]+\/)?[^/]+)/;

const packagesIn = (metafile: Metafile, outputs: ReadonlySet<string>): readonly string[] => {
  const inputs = [...outputs].flatMap((path) => Object.entries(metafile.outputs[path]?.inputs ?? {}));
  const names = inputs.flatMap(([input, { bytesInOutput }]) => (bytesInOutput === 0 ? [] : [PACKAGE.exec(input)?.[1]]));
  return [...new Set(names)].filter((name) => name !== undefined).sort();
};
