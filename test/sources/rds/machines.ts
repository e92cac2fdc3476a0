import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import type { Progress } from '../../../src/backup/progress.ts';
import type { Json } from '../../../src/backup/types.ts';
import type { Environment } from '../../../src/environment/environment.ts';
import type { MachineName } from '../../../src/environment/names.ts';
import { parseEnvironment } from '../../../src/environment/parse.ts';
import { openWorld, type World } from '../../../src/environment/world.ts';
import { type Clock, realClock } from '../../../src/local/asl/clock.ts';
import { openMachines } from '../../../src/local/machines.ts';
import { openPool } from '../../../src/local/pool.ts';
import type { Ended } from '../../../src/machines/ended.ts';
import { type RdsDouble, REGION } from '../../support/rds-double.ts';

/** The state machines and the functions as they are deployed, in processes of their own, against the double. */
export interface Rig {
  readonly environment: Environment;
  readonly world: World;
  readonly progress: Progress[];
  /** Seconds of each wait that the state machines made. */
  readonly waits: number[];
  run(machine: MachineName, input?: Record<string, Json>): Promise<Ended>;
  /** One function by itself. */
  invoke(step: string): Promise<unknown>;
  close(): Promise<void>;
}

/** Waits are the half minutes between two looks at RDS; the double's minutes are milliseconds. */
const LOOK_MS = 60;

const impatient = (waits: number[]): Clock => ({
  ...realClock,
  sleep: (ms, signal) => {
    waits.push(ms / 1000);
    return realClock.sleep(Math.min(ms, LOOK_MS), signal);
  },
});

export const openRig = async (
  double: RdsDouble,
  source: Record<string, unknown>,
  targets: Record<string, Record<string, unknown>> = {},
): Promise<Rig> => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
  vi.stubEnv('AWS_REGION', REGION);
  for (const service of ['SECRETS_MANAGER', 'STS', 'BACKUP']) vi.stubEnv(`AWS_ENDPOINT_URL_${service}`, double.endpoint);
  const folder = await mkdtemp(join(tmpdir(), 'lifeboat-rds-rig-'));
  const at = { kind: 'rds', endpoint: double.endpoint, region: REGION, sslmode: 'disable' };
  const environment = parseEnvironment(
    {
      store: `file://${folder}/store`,
      sources: { sea: { ...(source['kind'] === undefined ? { ...at, instance: 'sea' } : {}), drill: { scratch: 'drills' }, ...source } },
      targets: {
        drills: {
          ...at,
          instance: 'drills',
          placement: { subnetGroup: 'drills', securityGroups: ['sg-drills'], parameterGroup: 'drills' },
        },
        restored: { ...at, instance: 'restored' },
        ...targets,
      },
    },
    { name: 'test', root: folder },
  );
  const progress: Progress[] = [];
  const waits: number[] = [];
  const report = (told: Progress): void => void progress.push(told);
  const world = await openWorld(environment, report);
  const pool = await openPool({ environment, report });
  const machines = openMachines({ environment: 'test', control: world.runtime.control, pool, report, clock: impatient(waits) });
  return {
    environment,
    world,
    progress,
    waits,
    run: (machine, input = {}) => machines.run(machine, { source: 'sea', ...input }, new AbortController().signal),
    invoke: (step) => pool.invoke(step, { source: 'sea' }),
    async close() {
      await pool.close();
      vi.unstubAllEnvs();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
