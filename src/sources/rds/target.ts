import { setTimeout as sleep } from 'node:timers/promises';
import { LifeboatError } from '../../errors.ts';
import type { Loaded, LoadOptions, Services, Stage, Target, TargetFacts } from '../contract.ts';
import type { RdsAddress } from './address.ts';
import { auditStage } from './audit.ts';
import { clientsOf } from './clients.ts';
import { createdTarget } from './created.ts';
import { type Engine, engineNamed } from './engine.ts';
import type { Means } from './means.ts';
import { isThrowAway } from './names.ts';
import { decodeReference, isInAccounts, type Reference, referenceOf, snapshotIn } from './reference.ts';
import { isUnmeasured, openRestored, restoreInput } from './restored.ts';
import { type Instance, isLater, type Later } from './shapes.ts';
import { awaitInstance, removeInstance } from './temporary.ts';
import { waiting } from './waiting.ts';

/** A new instance of the name in the address, made of the backup's snapshot or, with `create`, empty; in a drill a throw-away one. */
export const rdsTarget = (address: RdsAddress, services: Services, engines: readonly Engine[]): Target => {
  const clients = clientsOf(address);
  const means: Means = { address, services, engines, clients };
  const { create } = address;
  if (create !== undefined) return { ...createdTarget(means, create), inspect: () => inspectTarget(means), discard: discardStage(means) };
  return {
    inspect: () => inspectTarget(means),
    stages: [prepareStage(means)],
    loadArtifact: (artifact, options) => loadReference(means, artifact, options),
    audit: auditStage(means),
    async tamper(manifest, seed, budget) {
      if (!isThrowAway(address.instance))
        throw new LifeboatError('TargetUnusable', `instance ${address.instance} is no scratch instance`, {
          hint: 'A drill makes one of its own.',
        });
      // A snapshot that was never read has no digests that damage could be seen by.
      if (isUnmeasured(manifest)) return { what: [], classes: [] };
      const { engine, login } = await openRestored(means, referenceOf(manifest));
      return engine.tamper(login, services, manifest, seed, budget);
    },
    discard: discardStage(means),
    async handOver(job, found) {
      const { validate } = await import('./restore-job.ts');
      await validate((await clients.home()).region, job, found);
    },
  };
};

const restoreStep = async (
  { address, services, clients }: Means,
  reference: Reference,
  owner: string,
  throwAway: boolean,
): Promise<Instance | Later> => {
  refuseOther(reference, address);
  const api = await clients.home();
  const snapshot = snapshotIn(reference, api.region, isInAccounts(reference) ? await ownAccount(api.region) : undefined);
  return awaitInstance(api, address, { id: address.instance, snapshot, owner, throwAway }, services.now());
};

/** Of the credentials that restore: a snapshot of another account becomes no instance of this one. */
const ownAccount = async (region: string): Promise<string> => (await import('./role.ts')).callerAccount(region);

const prepareStage = (means: Means): Stage => ({
  name: 'prepare',
  mode: 'independent',
  async *plan() {
    yield { task: {} };
  },
  async run(_task, context, resume) {
    const { manifest, restore, scratch } = restoreInput(context);
    refuseOverwrite(restoreInput(context).overwrite, means.address);
    const instance = await restoreStep(means, referenceOf(manifest), restore, scratch);
    return isLater(instance) ? waiting(instance, context, resume) : { segments: [], digests: [] };
  },
});

/** A snapshot of a cluster becomes a cluster, one of an instance an instance. */
const refuseOther = ({ cluster, snapshot }: Reference, address: RdsAddress): void => {
  if (cluster === address.cluster) return;
  throw new LifeboatError(
    'TargetProblem',
    `snapshot ${snapshot} is of ${cluster ? 'a cluster' : 'an instance'}, the target of ${cluster ? 'an instance' : 'a cluster'}`,
    {
      hint: `Give the target "cluster": ${cluster}.`,
    },
  );
};

/** RDS makes new instances of snapshots, and changes none. */
const refuseOverwrite = (overwrite: boolean, { instance }: RdsAddress): void => {
  if (overwrite)
    throw new LifeboatError('Unsupported', `a restore of a snapshot cannot overwrite instance ${instance}`, {
      hint: 'Restore to a new name, then rename the instances.',
    });
};

const discardStage = ({ address, clients }: Means): Stage => ({
  name: 'discard',
  mode: 'independent',
  async *plan() {
    yield { task: {} };
  },
  async run(_task, context, resume) {
    const removed = await removeInstance(await clients.home(), address.instance);
    return removed === 'gone' ? { segments: [], digests: [] } : waiting(removed, context, resume);
  },
});

const inspectTarget = async ({ address, engines, clients }: Means): Promise<TargetFacts> => {
  const api = await clients.home();
  const instance = await api.instance(address.instance);
  if (instance === undefined) {
    const place = `arn:aws:rds:${api.region}:db:${address.instance}`;
    return { product: 'RDS', version: '', place, content: address.instance, bytes: 0, problems: [], empty: true };
  }
  const { product } = engineNamed(engines, instance.engine);
  return {
    product,
    version: instance.engineVersion,
    place: instance.arn,
    content: instance.id,
    bytes: instance.bytes,
    problems: [],
    empty: false,
  };
};

/** An artifact is one JSON of some hundred bytes. */
const ARTIFACT_MAX_BYTES = 64 * 1024;

const loadReference = async (
  means: Means,
  artifact: AsyncIterable<Uint8Array>,
  { overwrite, signal, progress }: LoadOptions,
): Promise<Loaded> => {
  refuseOverwrite(overwrite, means.address);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of artifact) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > ARTIFACT_MAX_BYTES)
      throw new LifeboatError('ArtifactInvalid', 'this is no reference to an RDS snapshot', {
        hint: 'A dump in SQL goes to postgres:// or mysql://.',
      });
  }
  const reference = decodeReference(Buffer.concat(chunks));
  for (;;) {
    const instance = await restoreStep(means, reference, reference.snapshot, false);
    if (!isLater(instance)) return { rows: '0', checks: [] };
    progress({ rows: 0, bytes: 0, what: instance.what });
    await sleep(instance.afterSeconds * 1000, undefined, { signal });
  }
};
