import { setTimeout as sleep } from 'node:timers/promises';
import { LifeboatError } from '../../errors.ts';
import type { Stage, Target } from '../contract.ts';
import type { Create } from './address.ts';
import { engineNamed, type Login } from './engine.ts';
import type { Means } from './means.ts';
import { isThrowAway } from './names.ts';
import { restoreInput } from './restored.ts';
import { type Instance, isLater, type Later } from './shapes.ts';
import { awaitInstance, loginTo, NEW_DATABASE } from './temporary.ts';
import { waiting } from './waiting.ts';

/** Only the names of stages are asked of a target there. */
const NOWHERE: Login = { host: 'nowhere.invalid', port: 1, database: 'none', user: 'none', auth: 'password', sslmode: 'disable' };

type Made = Pick<Target, 'stages' | 'audit' | 'loadArtifact' | 'tamper'>;

/** An empty instance for a backup of rows: it is made, and then is a server as any other for the engine that speaks to it. */
export const createdTarget = (means: Means, create: Create): Made => {
  const { address, services, engines, clients } = means;
  const engine = engineNamed(engines, create.engine);
  const database = databaseIn(means);
  const advance = async (owner: string, throwAway: boolean): Promise<Instance | Later> =>
    awaitInstance(await clients.home(), address, { id: address.instance, snapshot: null, owner, throwAway }, services.now());
  const open = async (): Promise<Target> => {
    const instance = await (await clients.home()).instance(address.instance);
    if (instance === undefined)
      throw new LifeboatError('TargetProblem', `there is no instance ${address.instance}`, { hint: 'Was it deleted meanwhile?' });
    return engine.target({ ...(await loginTo(instance, address, database, services)), database }, services);
  };
  const behind = ({ name, mode }: Stage, choose: (target: Target) => Stage | undefined): Stage => {
    const find = async (): Promise<Stage> => {
      const stage = choose(await open());
      if (stage === undefined) throw new LifeboatError('TaskMissing', `a restore has no stage ${name}`);
      return stage;
    };
    return {
      name,
      mode,
      async *plan(context, resume) {
        yield* (await find()).plan(context, resume);
      },
      run: async (task, context, resume) => (await find()).run(task, context, resume),
    };
  };
  const known = engine.target(NOWHERE, services);
  const server: Stage = {
    name: 'make-instance',
    mode: 'independent',
    async *plan() {
      yield { task: {} };
    },
    async run(_task, context, resume) {
      const { restore, scratch } = restoreInput(context);
      const made = await advance(restore, scratch);
      return isLater(made) ? waiting(made, context, resume) : { segments: [], digests: [] };
    },
  };
  return {
    stages: [server, ...known.stages.map((stage) => behind(stage, (target) => target.stages.find(({ name }) => name === stage.name)))],
    audit: behind(known.audit, ({ audit }) => audit),
    tamper: async (manifest, seed, budget) => (await open()).tamper(manifest, seed, budget),
    async loadArtifact(artifact, options) {
      for (;;) {
        const made = await advance('load', false);
        if (!isLater(made)) return (await open()).loadArtifact(artifact, options);
        options.progress({ rows: 0, bytes: 0, what: made.what });
        await sleep(made.afterSeconds * 1000, undefined, { signal: options.signal });
      }
    },
  };
};

/** Of a drill: one that says in its name that it is of one, which the engine makes and may damage. */
const databaseIn = ({ address }: Means): string => {
  if (isThrowAway(address.instance)) return address.instance.replaceAll('-', '_');
  return address.database ?? NEW_DATABASE;
};
