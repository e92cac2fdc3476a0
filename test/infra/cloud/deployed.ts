import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundle } from '../../../infra/bundle.ts';
import type { Json } from '../../../src/backup/types.ts';
import { NOTIFY, WATCH } from '../../../src/environment/steps.ts';
import { type Clock, realClock } from '../../../src/local/asl/clock.ts';
import type { NestedExecution } from '../../../src/local/asl/world.ts';
import { openStore } from '../../../src/stores/open.ts';
import type { Store } from '../../../src/stores/store.ts';
import { type S3Server, startS3Server } from '../../support/s3-server.ts';
import { deployableOf, synthesized } from '../support.ts';
import { type Functions, startFunctions } from './functions.ts';
import { type Need, needsOf } from './needs.ts';
import { askAsTest, CREDENTIALS, type ServiceCall, type Services, startServices } from './services.ts';
import { ACCOUNT, type Cloud, cloudOf, REGION } from './template.ts';
import { type Machines, startMachines } from './voyage.ts';

export type Machine = 'backup' | 'restore' | 'drill';

/** The name of a step's function. */
export const functionOf = (step: string, source: string): string =>
  step === WATCH || step === NOTIFY ? `lifeboat-example-${step}` : `example-${source}-${step}`;

export const machineArnOf = (machine: Machine, source: string): string =>
  `arn:aws:states:${REGION}:${ACCOUNT}:stateMachine:example-${source}-${machine}`;

/** The output of an execution; one that failed says why. */
export const outputOf = (ended: NestedExecution): Json => {
  if (ended.status !== 'SUCCEEDED') throw new Error(`${ended.status} ${ended.error}: ${ended.cause}`);
  return ended.output;
};

/** An environment as it would be deployed: its templates, its bundles as processes, S3, Secrets Manager, Step Functions. */
export interface Deployed {
  readonly cloud: Cloud;
  readonly functions: Functions;
  readonly machines: Machines;
  readonly s3: S3Server;
  readonly services: Services;
  readonly store: Store;
  readonly control: Store;
  /** Starts a deployed machine. */
  readonly start: (source: string, machine: Machine, input: Json) => Promise<NestedExecution>;
  /** Calls the function of a step. */
  readonly call: (source: string, step: string, input: Json) => Promise<Json>;
  /** What was asked so far, and what it implies; `more` are calls of services that are not here. */
  readonly needs: (more?: readonly ServiceCall[]) => Need[];
  readonly stop: () => Promise<void>;
}

export interface DeployedOptions {
  /** By ARN: what Secrets Manager answers. */
  readonly secrets?: ReadonlyMap<string, string>;
  readonly s3?: S3Server;
  /** Where functions find other services. */
  readonly env?: Readonly<Record<string, string>>;
  readonly clock?: Clock;
}

export const startDeployed = async (raw: unknown, options: DeployedOptions = {}): Promise<Deployed> => {
  const deployable = deployableOf(raw);
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-cloud-'));
  // First, since it reads the sources again: what is edited meanwhile would fail as a configuration that its bundles do not know.
  const bundles = await bundle(deployable.environment, join(folder, 'task'));
  const cloud = cloudOf(synthesized(raw));
  const s3 = options.s3 ?? (await startS3Server());
  s3.addBucket(deployable.store.bucket, { versioned: true, lock: { mode: 'GOVERNANCE', days: 35 } });
  s3.addBucket(deployable.control.bucket, { versioned: true });
  const running = new Set<string>();
  const services = await startServices(options.secrets ?? new Map(), running);
  const functions = startFunctions({
    cloud,
    folder: bundles.folder,
    env: {
      ...CREDENTIALS,
      TMPDIR: folder,
      AWS_ENDPOINT_URL_S3: s3.endpoint,
      AWS_ENDPOINT_URL_SECRETS_MANAGER: services.endpoint,
      AWS_ENDPOINT_URL_SFN: services.endpoint,
      ...options.env,
    },
  });
  askAsTest();
  const own = (place: { readonly url: string }): Promise<Store> => openStore(place.url, { region: REGION, endpoint: s3.endpoint });
  const [store, control] = [await own(deployable.environment.store), await own(deployable.environment.control)];
  const machines = startMachines(cloud, functions.invoke, control, running, options.clock ?? realClock);
  return {
    cloud,
    functions,
    machines,
    s3,
    services,
    store,
    control,
    start: (source, machine, input) => machines.run(machineArnOf(machine, source), input),
    call: (source, step, input) => functions.invoke(functionOf(step, source), input),
    needs: (more = []) => needsOf(cloud, { s3: s3.seen, services: [...services.calls, ...more], machines: machines.calls }),
    async stop() {
      functions.stop();
      await s3.stop();
      await services.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
