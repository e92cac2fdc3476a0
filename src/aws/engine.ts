import type { Engine, EngineInput, PlanResult } from '../cli/engine.ts';
import { openWorld, type World } from '../environment/world.ts';
import { isLifeboatError, LifeboatError } from '../errors.ts';
import { backup, drill, type Runner, restore } from '../machines/runs.ts';
import { stepFunctions } from './clients.ts';
import { examine } from './doctor/examine.ts';
import { factsFromInside } from './doctor/probes.ts';
import { execute, PATIENCE, type Patience } from './execution.ts';
import { listExecutions } from './executions.ts';
import { logsOf, wantedOf } from './logs.ts';
import { type Deployed, deployedOf } from './machine.ts';
import { deployedPlan, lastOf, planOfLast } from './plan.ts';

export interface AwsEngineInput {
  readonly environment: NonNullable<EngineInput['environment']>;
  readonly onInterrupt: 'leave' | 'stop';
  /** What runs on this machine all the same: dumps and loads of URLs, a prune with the rights of whoever asks for it. */
  readonly here: Engine;
  readonly patience?: Patience;
}

/** Runs the machines of an environment where they were deployed, and reads the results where they lie: in the store. */
export const makeAwsEngine = ({ environment, onInterrupt, here, patience = PATIENCE }: AwsEngineInput): Engine => {
  const deployed = deployedOf(environment);
  const client = stepFunctions(deployed.deployment);
  let opened: Promise<World> | undefined;
  const world = (): Promise<World> => {
    opened ??= openWorld(environment, () => {});
    return opened;
  };
  const runner: Runner = {
    environment,
    world,
    execute: (machine, input, run) => execute({ deployed, client, patience, onInterrupt }, machine, input, run),
  };
  const executions: Engine['executions'] = ({ limit }) => listExecutions(deployed, client, limit);
  return {
    backup: ({ source }, run) => backup(runner, source, run),
    restore: (input, run) => restore(runner, input, run),
    drill: (input, run) => drill(runner, input, run),
    dump: here.dump,
    load: here.load,
    plan: ({ source }) => plan({ deployed, world, ask: () => factsFromInside(deployed, source) }, source),
    inspect: ({ source }) => factsFromInside(deployed, source),
    examine: () => examine(deployed, client),
    prune: here.prune,
    executions,
    async *logs({ execution }) {
      yield* await logsOf(deployed, client, await wantedOf(deployed, client, execution, () => executions({ limit: 1 })));
    },
    async close() {
      client.destroy();
      await here.close();
    },
  };
};

interface Planning {
  readonly deployed: Deployed;
  readonly world: () => Promise<World>;
  /** Asks the source itself, from inside of its network. */
  readonly ask: () => Promise<PlanResult['facts']>;
}

/** A source that cannot be asked is known by its last backup. */
const plan = async ({ deployed, world, ask }: Planning, source: string): Promise<PlanResult> => {
  const opened = await world();
  const last = await lastOf(opened.runtime.store, source);
  const lanes = (await opened.openSource(source)).hold === undefined ? 0 : 2;
  const base = { deployed, world: opened, last, lanes, now: new Date() } as const;
  try {
    const { mode, name: stage } = (await opened.openSource(source)).dump;
    // How many there would be, only the instant itself tells, which a plan does not open from afar: as many as last time.
    const asked: PlanResult = { source, facts: await ask(), stage, mode, tasks: last?.tasks ?? null };
    return { ...asked, deployed: deployedPlan({ ...base, plan: asked }) };
  } catch (error) {
    if (!isLifeboatError(error) || error.code === 'Interrupted') throw error;
    if (last === undefined)
      throw new LifeboatError(error.code, `${error.message}; and there is no backup of ${source} to plan by`, {
        hint: `${error.hint} Make the first backup.`.trim(),
        cause: error,
      });
    const known = planOfLast(source, last);
    return { ...known, deployed: deployedPlan({ ...base, plan: known, note: `the source was not asked: ${error.message}` }) };
  }
};
