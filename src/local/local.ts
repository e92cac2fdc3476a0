import type { Environment } from '../environment/environment.ts';
import { openWorld, type World } from '../environment/world.ts';
import { startEmbedded } from './embedded.ts';

/** An environment on this machine; its embedded servers start when a command first needs them. */
export interface Local {
  readonly environment: Environment;
  /** For what touches a source or a target. */
  ready(): Promise<World>;
  /** For what reads the store alone. */
  world(): Promise<World>;
  stop(): Promise<void>;
}

export const openLocal = (environment: Environment): Local => {
  let servers: Promise<() => Promise<void>> | undefined;
  let opened: Promise<World> | undefined;
  const world = (): Promise<World> => {
    opened ??= openWorld(environment, () => {});
    return opened;
  };
  return {
    environment,
    world,
    async ready() {
      servers ??= startEmbedded(environment);
      await servers;
      return world();
    },
    async stop() {
      const stop = await servers?.catch(() => undefined);
      await stop?.();
    },
  };
};
