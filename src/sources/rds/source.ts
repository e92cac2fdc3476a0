import { z } from 'zod';
import { isLifeboatError, LifeboatError } from '../../errors.ts';
import type { Services, Source } from '../contract.ts';
import type { RdsAddress } from './address.ts';
import { clientsOf } from './clients.ts';
import { concludeBackup, sealStage } from './conclude.ts';
import { deleteSnapshots, madeBy } from './copies.ts';
import { databaseOf, dumpStage } from './dump.ts';
import { type Engine, engineNamed } from './engine.ts';
import { inspectInstance } from './inspect.ts';
import type { Means } from './means.ts';
import { cloneId } from './names.ts';
import { referenceIn } from './reference.ts';
import { isLater, type Later, type Snapshot } from './shapes.ts';
import { awaitSnapshot, beginSnapshot } from './snapshot.ts';
import { awaitInstance, endInstance, loginTo, reap } from './temporary.ts';

/** A DB instance, as of a snapshot that RDS makes of its volume. */
export const rdsSource = (address: RdsAddress, services: Services, engines: readonly Engine[]): Source => {
  const clients = clientsOf(address);
  const means: Means = { address, services, engines, clients };
  return {
    inspect: () => inspectInstance(means),
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
      return { consistency: 'quiesced', at, token: { ...quiesced(snapshot.arn), clone: cloneId(backup), backup } };
    },
    dump: dumpStage(means),
    seal: sealStage(engines),
    conclude: (context) => concludeBackup(context, engines),
    async close(at) {
      if (at.consistency !== 'quiesced') return;
      const { clone, backup } = CloneToken.parse(at.token);
      await endInstance(await clients.home(), clone, backup);
    },
    async abandon(backup) {
      if (address.mode === 'clone-dump') await endInstance(await clients.home(), cloneId(backup), backup);
    },
    async forget(backup, manifest) {
      const reference = manifest === undefined ? undefined : referenceIn(manifest);
      await deleteSnapshots(clients.open, madeBy(address, backup, reference), backup);
    },
    tidy: async (hasEnded) => reap(await clients.home(), services.now(), hasEnded),
  };
};

/** Beside what the engine keeps in it. */
const CloneToken = z.object({ clone: z.string(), backup: z.string() });

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
    if (!another && !(isLifeboatError(error) && error.retryable)) await endInstance(api, id, owner);
    throw error;
  }
};
