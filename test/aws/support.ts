import { mkdtempSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { makeAwsEngine } from '../../src/aws/engine.ts';
import type { Patience } from '../../src/aws/execution.ts';
import type { Json } from '../../src/backup/types.ts';
import type { MakeEngine } from '../../src/cli/engine.ts';
import { parseEnvironment } from '../../src/environment/parse.ts';
import { openStore } from '../../src/stores/open.ts';
import type { Store } from '../../src/stores/store.ts';
import { fakeEngine, lifeboat, type Ran, type RunOptions } from '../cli/support.ts';
import { type StepFunctions, type StepFunctionsOptions, startStepFunctions } from '../support/step-functions.ts';

export const REGION = 'eu-central-1';
export const ACCOUNT = '123456789012';
export const PREFIX = 'prod-catalog';

/** What takes seconds takes milliseconds. */
export const HASTY: Patience = { firstMs: 10, longestMs: 50, unknownMs: 200, silentMs: 10_000, stopMs: 2000 };

/** A deployed environment `prod` with one source `catalog`, whose stores are folders, and Step Functions that runs its machines. */
export interface Cloud {
  readonly aws: StepFunctions;
  readonly folder: string;
  readonly file: string;
  readonly store: Store;
  readonly control: Store;
  /** Runs one command line against it, in this process. */
  run(argv: readonly string[], options?: RunOptions): Promise<Ran>;
  stop(): Promise<void>;
}

export interface CloudOptions {
  readonly invoke?: StepFunctionsOptions['invoke'];
  readonly printed?: StepFunctionsOptions['printed'];
  /** Of the source `catalog`, in place of the example. */
  readonly source?: Readonly<Record<string, Json>>;
  readonly other?: StepFunctionsOptions['other'];
  /** More of the environment file, over what is there. */
  readonly raw?: (storeEndpoint: string) => Readonly<Record<string, Json>>;
  readonly patience?: Partial<Patience>;
  readonly targets?: Readonly<Record<string, Json>>;
}

const ADDRESS = { kind: 'postgres', host: 'db.internal', database: 'catalog', user: 'lifeboat', sslmode: 'verify-full' };

export const openCloud = async (options: CloudOptions = {}): Promise<Cloud> => {
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-aws-'));
  const file = join(folder, 'prod.json');
  const storeUrl = pathToFileURL(join(folder, 'store')).href;
  const raw = {
    store: storeUrl,
    deployment: { account: ACCOUNT, region: REGION },
    sources: { catalog: { ...ADDRESS, drill: { scratch: 'drills' }, ...options.source } },
    targets: { drills: { ...ADDRESS, host: 'drills.internal' }, ...options.targets },
  };
  const { store: at, control: controlAt } = parseEnvironment(raw, { name: 'prod', root: folder });
  const [store, control] = [await openStore(at.url), await openStore(controlAt.url)];
  const invoke = options.invoke ?? ((step) => Promise.reject(new Error(`no function ${step} in this test`)));
  const aws = await startStepFunctions({
    prefix: PREFIX,
    region: REGION,
    account: ACCOUNT,
    invoke,
    control,
    ...(options.other === undefined ? {} : { other: options.other }),
    ...(options.printed === undefined ? {} : { printed: options.printed }),
  });
  await writeFile(file, JSON.stringify({ ...raw, ...options.raw?.(aws.endpoint) }));
  const before = { ...process.env };
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_ENDPOINT_URL: aws.endpoint,
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_MAX_ATTEMPTS: '2',
  });
  const makeEngine: MakeEngine = async ({ environment, deployed }) => {
    if (environment === undefined || deployed === undefined) return fakeEngine();
    return makeAwsEngine({ environment, ...deployed, here: fakeEngine(), patience: { ...HASTY, ...options.patience } });
  };
  return {
    aws,
    folder,
    file,
    store,
    control,
    run: (argv, more = {}) => lifeboat(['--env', file, ...argv], { makeEngine, cwd: folder, ...more }),
    async stop() {
      for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
      Object.assign(process.env, before);
      await aws.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
