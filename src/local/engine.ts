import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { findBackup } from '../backup/catalog.ts';
import { decodeDetected } from '../backup/detect.ts';
import { backupId } from '../backup/id.ts';
import { backupPrefix } from '../backup/layout.ts';
import { objectsBelow } from '../backup/pool.ts';
import { countRows } from '../backup/rows.ts';
import { segmentSource } from '../backup/segments.ts';
import type { BackupId } from '../backup/types.ts';
import type { DumpResult, Engine, ExecutionInfo, LoadResult, LogLine, MakeEngine, PlanResult, Run } from '../cli/engine.ts';
import { executionState, listExecutions, readLog } from '../environment/executions.ts';
import { DEFAULT_CONCURRENCY } from '../environment/world.ts';
import { LifeboatError } from '../errors.ts';
import { backup, drill, type Runner, restore } from '../machines/runs.ts';
import type { Services } from '../sources/contract.ts';
import type { System } from '../sources/system.ts';
import { openStore } from '../stores/open.ts';
import { dumpInto, withInstant } from './direct.ts';
import { execute } from './executor.ts';
import { type Local, openLocal } from './local.ts';
import { FUNCTION_TIMEOUT_MS } from './pool.ts';
import { prune } from './prune.ts';

/** Runs everything on this machine: the state machines and functions that are deployed, in processes of its own. */
export const makeEngine: MakeEngine = async ({ environment, secrets }) => {
  const services: Services = {
    secret: secrets.resolve,
    now: () => new Date(),
    temporary: join(tmpdir(), 'lifeboat'),
    openObjects: async (url, options) => objectsBelow(await openStore(url, options), ''),
  };
  const local = environment === undefined ? undefined : openLocal(environment);
  const need = (): Local => {
    if (local === undefined) throw new LifeboatError('ConfigInvalid', 'this needs an environment or a store');
    return local;
  };
  const engine: Engine = {
    backup: (input, run) => backup(runner(need()), input.source, run),
    restore: (input, run) => restore(runner(need()), input, run),
    drill: (input, run) => drill(runner(need()), input, run),
    dump: (system, out, run) => dump(system, services, out, run),
    load: (system, input, options, run) => load(system, services, input, options, run),
    plan: (input, run) => plan(need(), input.source, run),
    inspect: async (input) => (await (await need().ready()).openSource(input.source)).inspect(),
    prune: async (input, run) => prune(await need().world(), input, run),
    removeSource: (input, run) => removeSource(need(), input, run),
    executions: (input) => executions(need(), input.limit),
    logs: (input) => logs(need(), input.execution),
    close: async () => local?.stop(),
  };
  return engine;
};

/** Executions touch sources and targets, which may be embedded servers. */
const runner = (local: Local): Runner => ({
  environment: local.environment,
  world: () => local.ready(),
  execute: (machine, input, run) => execute(local.environment, machine, input, run),
});

/** A dump and a plan have no execution; their id is that of this process. */
const ownId = (): BackupId => backupId(new Date(), `${process.pid}`);

const dump = async (system: System, services: Services, out: Writable, run: Run): Promise<DumpResult> => {
  const done = await dumpInto(await system.source(services), out, { backup: ownId(), ...run });
  return {
    format: done.conclusion.artifact.format,
    pointInTime: done.conclusion.pointInTime,
    rows: countRows(done.digests),
    bytes: done.bytes,
    rawBytes: done.rawBytes,
    segments: done.segments,
    notIncluded: done.conclusion.notIncluded,
    needs: done.conclusion.needs ?? null,
  };
};

const load = async (
  system: System,
  services: Services,
  input: Readable,
  options: { readonly overwrite: boolean },
  run: Run,
): Promise<LoadResult> => {
  let bytes = 0;
  const target = await system.target(services);
  const loaded = await target.loadArtifact(decodeDetected(counted(input, (length) => (bytes += length))), {
    ...options,
    signal: run.signal,
    progress: (done) => run.report({ type: 'done', stage: 'load', ...done }),
  });
  return { ...loaded, bytes };
};

async function* counted(input: AsyncIterable<Uint8Array>, count: (length: number) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of input) {
    count(chunk.length);
    yield chunk;
  }
}

const plan = async (local: Local, name: string, run: Run): Promise<PlanResult> => {
  const { openSource, entry } = await local.ready();
  const source = await openSource(name);
  const facts = await source.inspect();
  const { mode, name: stage } = source.dump;
  if (facts.problems.length > 0) return { source: name, facts, stage, mode, tasks: 0 };
  // A plan changes nothing.
  if (source.ready !== undefined) return { source: name, facts, stage, mode, tasks: null };
  const tasks = await withInstant(
    source,
    ownId(),
    run.signal,
    // As the functions would: lanes that cannot do it in their time are told before anything runs.
    async (context) =>
      (
        await Array.fromAsync(
          source.dump.plan({
            ...context,
            budget: { ...context.budget, remaining: () => FUNCTION_TIMEOUT_MS },
            concurrency: entry(name).concurrency ?? DEFAULT_CONCURRENCY,
          }),
        )
      ).length,
  );
  return { source: name, facts, stage, mode, tasks };
};

const removeSource = async (local: Local, { source, backup: id }: { source: string; backup: BackupId }, run: Run): Promise<string> => {
  const { runtime, openSource } = await local.ready();
  const { remove } = await openSource(source);
  if (remove === undefined) throw new LifeboatError('Unsupported', `a source of the kind of ${source} is not removed by Lifeboat`);
  const { manifest } = await findBackup(runtime.store, id, source);
  return remove(manifest, segmentSource(runtime.store, backupPrefix(source, id)), run.signal);
};

const executions = async (local: Local, limit: number): Promise<readonly ExecutionInfo[]> => {
  const { control } = (await local.world()).runtime;
  const records = (await Array.fromAsync(listExecutions(control))).slice(-limit).reverse();
  return Promise.all(
    records.map(async ({ arn, machine, startedAt, end }): Promise<ExecutionInfo> => {
      const running = end === undefined && (await executionState(control, arn)) === 'running';
      return {
        execution: arn,
        machine,
        status: end?.status ?? (running ? 'RUNNING' : 'ABORTED'),
        startedAt,
        endedAt: end?.endedAt ?? null,
        error: errorIn(end?.output),
      };
    }),
  );
};

const errorIn = (output: unknown): string | null =>
  typeof output === 'object' && output !== null && 'error' in output && typeof output.error === 'string' ? output.error : null;

async function* logs(local: Local, wanted: string | undefined): AsyncGenerator<LogLine> {
  const { control } = (await local.world()).runtime;
  const records = await Array.fromAsync(listExecutions(control));
  const found = wanted === undefined ? records.at(-1) : records.find(({ arn }) => arn === wanted || arn.endsWith(`:${wanted}`));
  if (found === undefined)
    throw new LifeboatError('NoSuchExecution', wanted === undefined ? 'nothing has run here yet' : `no execution ${wanted}`, {
      hint: 'See `lifeboat executions`.',
    });
  yield* await readLog(control, found.arn);
}
