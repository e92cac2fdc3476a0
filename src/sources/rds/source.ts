import { z } from 'zod';
import { isLifeboatError, LifeboatError } from '../../errors.ts';
import type { Services, Source } from '../contract.ts';
import type { RdsAddress } from './address.ts';
import { clientsOf } from './clients.ts';
import { concludeBackup, sealStage } from './conclude.ts';
import { databaseOf, dumpStage } from './dump.ts';
import { type Engine, engineNamed } from './engine.ts';
import { inspectInstance } from './inspect.ts';
import type { Means } from './means.ts';
import { cloneId, snapshotId } from './names.ts';
import { referenceIn } from './reference.ts';
import { isLater, type Later, type Snapshot } from './shapes.ts';
import { awaitSnapshot, beginSnapshot, copiesOf, deleteSnapshots } from './snapshot.ts';
import { awaitInstance, loginTo, reap, removeInstance } from './temporary.ts';

/** A DB instance, as of a snapshot that RDS makes of its volume. */
export const rdsSource = (address: RdsAddress, services: Services, engines: readonly Engine[]): Source => {
  const clients = clientsOf(address);
  const means: Means = { address, services, engines, clients };
  return {
    inspect: async () => inspectInstance(await clients.home(), address, engines),
    async ready(backup) {
      const api = await clients.home();
      const begun = await beginSnapshot(api, address, backup);
      if (isLater(begun)) return begun;
      // The snapshot shows the moment of its beginning; the dump waits until it is there.
      if (address.mode === 'snapshot') return undefined;
      const snapshot = await awaitSnapshot(api, begun.id, backup);
      return isLater(snapshot) ? snapshot : readyClone(means, snapshot, cloneId(backup), backup);
    },
    async open(backup) {
      const snapshot = await beginSnapshot(await clients.home(), address, backup);
      if (isLater(snapshot)) throw new LifeboatError('SourceBusy', snapshot.what);
      const at = (snapshot.createdAt ?? services.now()).toISOString();
      if (address.mode === 'snapshot') return { consistency: 'snapshot', at, token: { snapshot: snapshot.id } };
      const { quiesced } = engineNamed(engines, snapshot.engine);
      return { consistency: 'quiesced', at, token: { ...quiesced(snapshot.arn), clone: cloneId(backup) } };
    },
    dump: dumpStage(means),
    seal: sealStage(engines),
    conclude: (context) => concludeBackup(context, engines),
    async close(at) {
      if (at.consistency !== 'quiesced') return;
      const api = await clients.home();
      await removeInstance(api, CloneToken.parse(at.token).clone);
    },
    async forget(backup, manifest) {
      const reference = manifest === undefined ? undefined : referenceIn(manifest);
      const made =
        reference === undefined
          ? [{ id: snapshotId(address.instance, backup), region: address.region }, ...copiesOf(address, backup)]
          : [
              { id: reference.snapshot, region: reference.region },
              ...reference.copies.map((copy) => ({ id: copy.snapshot, region: copy.region })),
            ];
      await deleteSnapshots(clients.open, made, backup);
    },
    tidy: async () => reap(await clients.home(), services.now()),
  };
};

/** Beside what the engine keeps in it. */
const CloneToken = z.object({ clone: z.string() });

/** Brings the clone up and looks whether it can be dumped. One that never can is removed at once. */
const readyClone = async (means: Means, snapshot: Snapshot, id: string, owner: string): Promise<Later | undefined> => {
  const { address, services, engines, clients } = means;
  const api = await clients.home();
  try {
    const clone = await awaitInstance(api, address, { id, snapshot: snapshot.arn, owner, throwAway: true }, services.now());
    if (isLater(clone)) return clone;
    const login = await loginTo(clone, address, clone.database ?? (await databaseOf(means)), services);
    const [problem] = (await engineNamed(engines, snapshot.engine).inspect(login, services)).problems;
    if (problem !== undefined) throw new LifeboatError('SourceProblem', `${problem.code}: ${problem.message}`, { hint: problem.hint });
    return undefined;
  } catch (error) {
    const another = isLifeboatError(error, 'TargetNotEmpty');
    if (!another && !(isLifeboatError(error) && error.retryable)) await removeInstance(api, id, owner);
    throw error;
  }
};
