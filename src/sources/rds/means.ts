import type { Services } from '../contract.ts';
import type { RdsAddress } from './address.ts';
import type { clientsOf } from './clients.ts';
import type { Engine } from './engine.ts';

/** What the parts of a source and of a target work with. */
export interface Means {
  readonly address: RdsAddress;
  readonly services: Services;
  readonly engines: readonly Engine[];
  readonly clients: ReturnType<typeof clientsOf>;
}
