import { publishInstant } from '../../src/backup/instants.ts';
import { readAll } from '../../src/backup/objects.ts';
import { TaskLineSchema } from '../../src/backup/plan-index.ts';
import { backupRun, type Run } from '../../src/backup/rooms.ts';
import { findManifest, type SealInput, sealBackup } from '../../src/backup/seal.ts';
import { planStage, runTask } from '../../src/backup/stage.ts';
import { startBackup } from '../../src/backup/start.ts';
import type { BackupId, Manifest } from '../../src/backup/types.ts';
import { concludeRestore } from '../../src/restore/conclude.ts';
import type { RestoreRecord } from '../../src/restore/record.ts';
import { manifestOf } from '../../src/restore/resolve.ts';
import { planRestoreStage, runOf, stagesOf } from '../../src/restore/stages.ts';
import type { Budget, Source, Stage, Target } from '../../src/sources/contract.ts';
import { exampleContent, type FakeServer, openServer } from './fake-server.ts';
import { type Behaviour, behaviour, type FakePlace, fakeSource } from './fake-source.ts';
import { fakeTarget } from './fake-target.ts';
import type { TestRuntime } from './runtime.ts';
import { ample } from './stages.ts';

/** The steps of a backup and a restore, one after the other, without functions and state machines. */

export interface Fakes {
  readonly server: FakeServer;
  readonly behaviour: Behaviour;
  readonly source: Source;
  target(database: string): Target;
}

export const fakes = (runtime: TestRuntime, changes: Partial<Behaviour> = {}): Fakes => {
  const server = openServer({ sleep: (milliseconds) => runtime.sleep(milliseconds) });
  server.make('sea', exampleContent());
  server.make('spare');
  const own = behaviour({ holds: false, ...changes });
  const placeOf = (database: string): FakePlace => ({
    server,
    database,
    behaviour: own,
    now: () => runtime.now(),
    sleep: (ms, signal) => runtime.sleep(ms, signal),
  });
  return { server, behaviour: own, source: fakeSource(placeOf('sea')), target: (database) => fakeTarget(placeOf(database)) };
};

const runAll = async (stage: Stage, run: Run, budget: Budget): Promise<void> => {
  const room = run.room(stage.name);
  const text = Buffer.from((await readAll(room.control, `${room.plan}plan.jsonl`)) ?? []).toString('utf8');
  for (const each of text.split('\n').filter((part) => part !== '')) {
    const line = TaskLineSchema.parse(JSON.parse(each));
    let resume: string | null = null;
    for (let part = 0; part === 0 || resume !== null; part++)
      resume = (await runTask(stage, room, run.taskContext(stage.name, line.task, budget), { line, part, resume }))?.cursor ?? null;
  }
};

/** All but sealing; answers what sealing takes. */
export const dumped = async (
  runtime: TestRuntime,
  { source }: Fakes,
  execution = 'arn:one',
  startedAt = runtime.now(),
): Promise<SealInput> => {
  runtime.states.set(execution, 'running');
  const input = { source: 'sea', scheduledTime: null, schedule: null, execution, startedAt: startedAt.toISOString() };
  const { backup } = await startBackup(runtime, source, input);
  if (source.open !== undefined) await publishInstant(runtime, 'sea', backup, 0, await source.open(backup), 'attempt');
  const run = await backupRun(runtime, 'sea', backup);
  await planStage(source.dump, run.room('dump'), run.context(ample), { part: 0, resume: null });
  await runAll(source.dump, run, ample);
  return { source: 'sea', backup, kind: 'fake', resume: null };
};

export const backedUp = async (runtime: TestRuntime, all: Fakes, execution?: string, startedAt?: Date): Promise<Manifest> => {
  const input = await dumped(runtime, all, execution, startedAt);
  await sealBackup(runtime, all.source, input, ample);
  return mustFind(runtime, input.backup);
};

export const mustFind = async (runtime: TestRuntime, backup: BackupId): Promise<Manifest> => {
  const manifest = await findManifest(runtime, { source: 'sea', backup });
  if (manifest === undefined) throw new Error(`backup ${backup} is not there`);
  return manifest;
};

/** The stages of a restore that was resolved, one after the other, and what came of it. */
export const restored = async (runtime: TestRuntime, target: Target, record: RestoreRecord) => {
  const manifest = await manifestOf(runtime, record);
  for (const stage of stagesOf(target, record)) {
    await planRestoreStage(runtime, target, record, manifest, { stage: stage.name, part: 0, resume: null }, ample);
    await runAll(stage, runOf(runtime, record, manifest), ample);
  }
  return concludeRestore(runtime, target, record, manifest, ample);
};
