import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundle } from '../../infra/bundle.ts';
import { listBackups } from '../../src/backup/catalog.ts';
import type { Json } from '../../src/backup/types.ts';
import { STEPS } from '../../src/environment/steps.ts';
import type { NestedExecution } from '../../src/local/asl/world.ts';
import { openStore } from '../../src/stores/open.ts';
import type { Store } from '../../src/stores/store.ts';
import { findProgram } from '../support/programs.ts';
import { catalogue } from './cloud/catalogue.ts';
import { functionOf, type Machine, machineArnOf } from './cloud/deployed.ts';
import { type Emulator, startEmulator } from './cloud/emulator.ts';
import { SOURCE } from './cloud/everything.ts';
import { cloudOf, REGION } from './cloud/template.ts';
import { startMachines } from './cloud/voyage.ts';
import { deployableOf, synthesized } from './support.ts';

const ministack = findProgram('ministack');

/** Where CI is `true` the emulator has to be there; .ci/run installs it. */
const skipped = ministack === undefined && process.env['CI'] !== 'true';

/** A secret of the example by its name: the emulator gives each an ARN of its own. */
const nameOf = (arn: string): string => arn.replace(/^.*:secret:(.*)-\w{6}$/, '$1');

describe.skipIf(skipped)(`the deployed bundles in an emulator of Lambda${skipped ? ': skipped, ministack is not on PATH' : ''}`, () => {
  let emulator: Emulator;
  let store: Store;
  let run: (machine: Machine, input: Json) => Promise<NestedExecution>;
  const ending: (() => unknown)[] = [];

  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lifeboat-emulator-'));
    ending.push(() => rmSync(folder, { recursive: true, force: true }));
    if (ministack === undefined) throw new Error('ministack is not on PATH');
    emulator = await startEmulator(ministack);
    ending.push(() => emulator.stop());
    const databases = await catalogue();
    ending.push(() => databases.drop());

    const arns = new Map<string, string>();
    for (const name of ['catalog-prod', 'drills', 'standby'])
      arns.set(`lifeboat/${name}`, await emulator.createSecret(`lifeboat/${name}`, databases.password));
    const raw = databases.alone((arn) => arns.get(nameOf(arn)) ?? arn);
    const deployable = deployableOf(raw);
    const bundles = await bundle(deployable.environment, join(folder, 'task'));
    const cloud = cloudOf(synthesized(raw));
    for (const place of [deployable.store, deployable.control]) await emulator.createBucket(place);
    await emulator.createFunctions(
      cloud,
      bundles.folder,
      Object.keys(STEPS).map((step) => functionOf(step, SOURCE)),
      { TMPDIR: folder },
    );

    Object.assign(process.env, { AWS_ACCESS_KEY_ID: '123456789012', AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: REGION });
    const own = (url: string): Promise<Store> => openStore(url, { region: REGION, endpoint: emulator.endpoint });
    store = await own(deployable.environment.store.url);
    const machines = startMachines(cloud, emulator.invoke, await own(deployable.environment.control.url), new Set());
    run = (machine, input) => machines.run(machineArnOf(machine, SOURCE), input);
  }, 240_000);

  afterAll(async () => {
    for (const end of ending.reverse()) await end();
  });

  it('back up a catalogue, prove it, and restore it', async () => {
    expect(await run('backup', {})).toMatchObject({ status: 'SUCCEEDED', output: { source: SOURCE } });
    expect(await run('drill', {})).toMatchObject({ status: 'SUCCEEDED', output: { verdict: 'PASSED' } });
    const backups = await Array.fromAsync(listBackups(store, SOURCE));
    expect(backups.map(({ proof }) => proof.state)).toEqual(['PASSED']);
    expect(await run('restore', {})).toMatchObject({ status: 'SUCCEEDED' });
    expect(await run('restore', {})).toMatchObject({ status: 'FAILED', error: 'TargetNotEmpty' });
  }, 240_000);
});
