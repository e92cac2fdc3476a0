import { machineOfExecution } from './arn.ts';
import type { Visit } from './frame.ts';
import { uuidFrom } from './functions.ts';
import type { MapState } from './types.ts';

/** One run of a distributed Map: what its children are named after. */
export interface MapRun {
  readonly id: string;
  readonly arn: string;
  /** Of the children: `<machine>/<label>`. */
  readonly stateMachine: { readonly Id: string; readonly Name: string };
  readonly executionPrefix: string;
}

/** Named after the parent: `…:mapRun:<machine>/<label>:<uuid>`, `…:execution:<machine>/<label>:<uuid>`. */
export function mapRunOf(state: MapState, visit: Visit): MapRun {
  const { execution, world } = visit.frame.run;
  const id = uuidFrom(world.random);
  const parent = machineOfExecution(execution.id);
  const prefix = parent?.place ?? 'arn:aws:states:local:000000000000';
  const name = `${parent?.machine ?? execution.name}/${state.label}`;
  return {
    id,
    arn: `${prefix}:mapRun:${name}:${id}`,
    stateMachine: { Id: `${prefix}:stateMachine:${name}`, Name: name },
    executionPrefix: `${prefix}:execution:${name}`,
  };
}
