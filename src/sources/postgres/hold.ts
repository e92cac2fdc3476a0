import { setTimeout as sleep } from 'node:timers/promises';
import type { Budget, Held, Services } from '../contract.ts';
import type { PostgresAddress } from './address.ts';
import { type Connection, connect } from './connect.ts';
import { exportAgain, joinInstant, openInstant } from './instant.ts';

/** Keeps firewalls and load balancers from forgetting the connection, and notices a dead one. In milliseconds. */
export const PING_MS = 60_000;

/** Holds the instant in a transaction of its own until released or out of time; what it publishes lives exactly as long. */
export const holdInstant = async (
  address: PostgresAddress,
  services: Services,
  held: Held,
  budget: Budget,
  pingMs: number = PING_MS,
): Promise<void> => {
  const connection = await connect(address, services);
  try {
    await held.publish(await takeHold(connection, held));
    while (!isOver(budget)) {
      await pause(Math.min(pingMs, Math.max(1, budget.remaining())), budget.signal);
      if (!isOver(budget)) await connection.run('SELECT 1', 'holding the instant');
    }
  } finally {
    await connection.close();
  }
};

const takeHold = async (connection: Connection, held: Held) => {
  const instants = await held.instants();
  if (instants.length === 0) return openInstant(connection);
  return exportAgain(connection, await joinInstant(connection, instants));
};

const isOver = (budget: Budget): boolean => budget.signal.aborted || budget.remaining() <= 0;

const pause = async (milliseconds: number, signal: AbortSignal): Promise<void> => {
  try {
    await sleep(milliseconds, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
};
