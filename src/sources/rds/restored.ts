import type { Manifest } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { StageContext, StageInput } from '../contract.ts';
import { engineNamed } from './engine.ts';
import type { Means } from './means.ts';
import type { Reference } from './reference.ts';
import { loginTo } from './temporary.ts';

/** The restored instance, ready to be logged in to. */
export const openRestored = async ({ address, services, engines, clients }: Means, reference: Reference | undefined) => {
  const instance = await (await clients.home()).instance(address.instance);
  if (instance === undefined)
    throw new LifeboatError('TargetProblem', `there is no instance ${address.instance}`, { hint: 'Was it deleted meanwhile?' });
  const login = await loginTo(instance, address, reference?.database ?? null, services);
  return { engine: engineNamed(engines, instance.engine), login };
};

export const restoreInput = ({ input }: StageContext): Extract<StageInput, { kind: 'restore' }> => {
  if (input.kind === 'restore') return input;
  throw new Error('a stage of a restore was run within a backup');
};

/** A snapshot that was never read promises nothing. */
export const isUnmeasured = (manifest: Manifest): boolean => manifest.details === null;
