import type { Claims, Services } from '../contract.ts';
import { joinBarrier } from './barrier.ts';
import { type Connection, connect } from './connect.ts';
import { coordinate } from './coordinator.ts';
import type { Keeper } from './keeper.ts';
import type { Passed } from './passed.ts';

export interface Passing {
  readonly lane: number;
  readonly lanes: number;
  readonly tables: readonly string[];
  /** The same in all lanes of a backup. */
  readonly barrier: string;
  readonly claims: Claims;
  readonly signal: AbortSignal;
  readonly keeper?: Keeper | undefined;
}

/** Brings a lane to the instant of all others. Lane 0 brings its coordinator along, on a connection of its own, and answers how they came to it. */
export const passBarrier = async (
  connection: Connection,
  services: Pick<Services, 'secret'>,
  { lane, lanes, tables, barrier, claims, signal, keeper }: Passing,
): Promise<Passed | undefined> => {
  const shared = { claims, barrier, timeoutMs: connection.address.barrierTimeout * 1000, signal };
  const joining = { ...shared, connection, lane };
  if (lane > 0) {
    await joinBarrier(joining);
    return undefined;
  }
  const coordinator = await connect(connection.address, services);
  const coordinating = coordinate({ ...shared, connection: coordinator, lanes, tables, keeper });
  const joined = joinBarrier(joining);
  try {
    const [passed] = await Promise.all([coordinating, joined]);
    return passed;
  } catch (error) {
    // Neither waits for the other in vain; with its connection, what the coordinator has locked is unlocked.
    connection.destroy();
    coordinator.destroy();
    await Promise.allSettled([coordinating, joined]);
    throw error;
  } finally {
    await coordinator.close();
  }
};
