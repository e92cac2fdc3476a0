import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundle } from '../../../infra/bundle.ts';
import { SIZES, STEPS } from '../../../infra/steps.ts';
import { scratchKey } from '../../../src/backup/layout.ts';
import { acquireLease } from '../../../src/backup/lease.ts';
import { createJson } from '../../../src/backup/objects.ts';
import type { Json } from '../../../src/backup/types.ts';
import type { NestedExecution } from '../../../src/local/asl/world.ts';
import { openStore } from '../../../src/stores/open.ts';
import type { Store } from '../../../src/stores/store.ts';
import { freshDatabase, postgresUrl, query } from '../../support/postgres.ts';
import { type Seen, startS3Server } from '../../support/s3-server.ts';
import { deployableOf, exampleWith, synthesized } from '../support.ts';
import { type Functions, startFunctions } from './functions.ts';
import { type ServiceCall, startServices } from './services.ts';
import { ACCOUNT, type Cloud, cloudOf, REGION } from './template.ts';
import { type Machines, startMachines } from './voyage.ts';

/** The source of the example. */
export const SOURCE = 'catalog-prod';

export interface Everything {
  readonly cloud: Cloud;
  readonly machines: Machines;
  readonly functions: Functions;
  readonly store: Store;
  readonly control: Store;
  readonly s3: readonly Seen[];
  readonly services: readonly ServiceCall[];
  readonly machineArn: (machine: 'backup' | 'restore' | 'drill') => string;
  /** Starts a deployed machine. */
  readonly start: (machine: 'backup' | 'restore' | 'drill', input: Json) => Promise<NestedExecution>;
  /** What Secrets Manager answers to every secret of the example. */
  readonly password: string;
  readonly stop: () => Promise<void>;
}

const secretArn = (name: string): string => `arn:aws:secretsmanager:${REGION}:${ACCOUNT}:secret:lifeboat/${name}`;
export const SECRETS = {
  source: secretArn('catalog-prod-AbCdEf'),
  scratch: secretArn('drills-GhIjKl'),
  target: secretArn('standby-MnOpQr'),
};

/** The example environment, whose three databases are on the test's server. */
const environmentOver = (url: URL, databases: { readonly source: string; readonly target: string }): unknown =>
  exampleWith((raw) => {
    const server = { host: url.hostname, port: Number(url.port), user: 'postgres', sslmode: 'disable' };
    Object.assign(raw.sources[SOURCE], server, { database: databases.source, concurrency: 2, retention: { last: 1 } });
    Object.assign(raw.targets.drills, server, { database: 'postgres' });
    Object.assign(raw.targets.standby, server, { database: databases.target });
    // The emulated S3 has one name for all buckets.
    Object.assign(raw.store, { forcePathStyle: true });
    Object.assign(raw.control, { forcePathStyle: true });
  });

/** Everything of the example as it would be deployed: its templates, its bundles as processes, S3, Secrets Manager, Step Functions. */
export const startEverything = async (): Promise<Everything> => {
  const url = new URL(postgresUrl());
  const [source, target] = [await freshDatabase('cloud_source'), await freshDatabase('cloud_target')];
  await query(
    source.url,
    "CREATE TABLE thing (id int PRIMARY KEY, name text); INSERT INTO thing SELECT n, 'thing ' || n FROM generate_series(1, 500) n",
  );
  await query(
    source.url,
    'CREATE TABLE part (id int PRIMARY KEY, thing int REFERENCES thing, data jsonb); INSERT INTO part SELECT n, n, \'{"a": 1}\' FROM generate_series(1, 500) n',
  );

  const raw = environmentOver(url, { source: source.name, target: target.name });
  const deployable = deployableOf(raw);
  const cloud = cloudOf(synthesized(raw));
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-cloud-'));
  const bundles = await bundle(deployable.environment, join(folder, 'task'));

  const s3 = await startS3Server();
  s3.addBucket(deployable.store.bucket, { versioned: true, lock: { mode: 'GOVERNANCE', days: 35 } });
  s3.addBucket(deployable.control.bucket, { versioned: true });
  const password = decodeURIComponent(url.password) || 'a-password-that-trust-does-not-ask-for';
  const running = new Set<string>();
  const secrets = new Map(Object.values(SECRETS).map((arn) => [arn, password]));
  const services = await startServices(secrets, running);
  // A webhook that refuses: nothing of the tests leaves this machine.
  secrets.set(secretArn('slack-AbCdEf'), `${services.endpoint}/t0ken`);
  const credentials = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: REGION };
  const functions = startFunctions({
    folder: bundles.folder,
    secondsOf: (step) => SIZES[STEPS[step]?.size ?? 'long'].seconds,
    environmentFile: join(bundles.folder, 'example.json'),
    env: {
      ...credentials,
      TMPDIR: folder,
      AWS_ENDPOINT_URL_S3: s3.endpoint,
      AWS_ENDPOINT_URL_SECRETS_MANAGER: services.endpoint,
      AWS_ENDPOINT_URL_SFN: services.endpoint,
    },
  });
  Object.assign(process.env, credentials);
  const own = (place: { readonly url: string }): Promise<Store> => openStore(place.url, { region: REGION, endpoint: s3.endpoint });
  const [store, control] = [await own(deployable.environment.store), await own(deployable.environment.control)];
  const machines = startMachines(cloud, functions, control, running);
  const machineArn = (machine: string): string => `arn:aws:states:${REGION}:${ACCOUNT}:stateMachine:example-${SOURCE}-${machine}`;
  return {
    cloud,
    machines,
    functions,
    store,
    control,
    s3: s3.seen,
    services: services.calls,
    machineArn,
    password,
    start: (machine, input) => machines.run(machineArn(machine), input),
    async stop() {
      functions.stop();
      await s3.stop();
      await services.stop();
      await source.drop();
      await target.drop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

const gone = (machine: string): string => `arn:aws:states:${REGION}:${ACCOUNT}:execution:example-${SOURCE}-${machine}:gone`;

/** What executions that were killed leave behind: a lease, and a scratch target that was never made. */
export const leaveWreckage = async ({ control }: Everything): Promise<void> => {
  await acquireLease(control, {
    source: SOURCE,
    execution: gone('backup'),
    expiresAt: new Date(Date.now() + 3_600_000),
    now: new Date(),
    ownerState: async () => 'unknown',
  });
};

export const leaveScratch = async ({ control }: Everything, drill: string): Promise<void> => {
  await createJson(control, scratchKey(SOURCE, drill), {
    name: 'lifeboat_drill_gone',
    target: 'drills',
    drill,
    owner: gone('drill'),
    expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
  });
};
