import { z } from 'zod';
import { isLifeboatError, LifeboatError } from '../../errors.ts';
import type { Services } from '../contract.ts';
import type { RdsAddress } from './address.ts';
import type { Api, Tags } from './api.ts';
import type { Login } from './engine.ts';
import { isThrowAway, TAG } from './names.ts';
import { INCOMPLETE, type Instance, type Later, later } from './shapes.ts';

/** An instance that is made of a snapshot. */
export interface Wanted {
  readonly id: string;
  /** ARN. */
  readonly snapshot: string;
  /** The backup, restore or drill that it is for: another one's instance of this name is left alone. */
  readonly owner: string;
  readonly throwAway: boolean;
}

/** Statuses that an instance does not leave by itself. */
const HOPELESS =
  /^(failed|incompatible-\S+|inaccessible-encryption-credentials\S*|insufficient-capacity|restore-error|storage-full|stopped|stopping)$/;

/** Brings the instance one step further: restored, available, with a password that is known. Calling it again goes on. */
export const awaitInstance = async (api: Api, address: RdsAddress, wanted: Wanted, now: Date): Promise<Instance | Later> => {
  const { id } = wanted;
  const instance = await api.instance(id);
  if (instance === undefined) {
    await api.restore(id, wanted.snapshot, address.placement, tagsOf(address, wanted, now));
    return later(`instance ${id} is being restored`);
  }
  if (instance.tags.get(TAG.owner) !== wanted.owner)
    throw new LifeboatError('TargetNotEmpty', `there is an instance ${id} that this restore did not make`, {
      hint: 'A restore makes a new instance: name one that is not there.',
    });
  if (HOPELESS.test(instance.status))
    throw new LifeboatError('RestoreFailed', `instance ${id}, restored of ${wanted.snapshot}, came to the status ${instance.status}`, {
      hint: 'The events of the instance say why (aws rds describe-events).',
    });
  if (instance.status === INCOMPLETE) await api.complete?.(id, address.placement, tagsOf(address, wanted, now));
  if (instance.status !== 'available') return later(`instance ${id} is ${instance.status}`);
  if (address.password !== undefined || instance.secret !== undefined) return instance;
  if (!instance.hasSecret) await unlessBusy(() => api.manageSecret(id));
  return later(`instance ${id} gets a new password`);
};

const HOUR_MS = 3_600_000;

const tagsOf = (address: RdsAddress, { owner, throwAway }: Wanted, now: Date): Tags => ({
  [TAG.owner]: owner,
  ...(throwAway ? { [TAG.expires]: new Date(now.getTime() + address.placement.ttlHours * HOUR_MS).toISOString() } : {}),
});

/** Asks for the removal of a throw-away instance, and answers whether it is gone. Fails with TargetUnusable for any other. */
export const removeInstance = async (api: Api, id: string, owner?: string): Promise<'gone' | Later> => {
  const instance = await api.instance(id);
  if (instance === undefined) return 'gone';
  if (!isThrowAway(id) || !instance.tags.has(TAG.expires) || (owner !== undefined && instance.tags.get(TAG.owner) !== owner))
    throw new LifeboatError('TargetUnusable', `instance ${id} is no throw-away instance of this run, and is left alone`, {
      hint: `Only what Lifeboat made, and tagged ${TAG.expires}, is ever deleted.`,
    });
  if (instance.status !== 'deleting') await unlessBusy(() => api.deleteInstance(id));
  return later(`instance ${id} is being deleted`);
};

/** An instance that is still being made or changed takes no request; whoever asks looks again. */
const unlessBusy = async (ask: () => Promise<void>): Promise<void> => {
  try {
    await ask();
  } catch (error) {
    if (!isLifeboatError(error, 'InvalidDBInstanceState')) throw error;
  }
};

/** Throw-away instances whose time is over; asks for the removal of each, and answers their names. */
export const reap = async (api: Api, now: Date): Promise<readonly string[]> => {
  const reaped: string[] = [];
  for await (const instance of api.instances()) {
    const expires = Date.parse(instance.tags.get(TAG.expires) ?? '');
    if (!isThrowAway(instance.id) || !(expires <= now.getTime()) || instance.status === 'deleting') continue;
    await unlessBusy(() => api.deleteInstance(instance.id));
    reaped.push(instance.id);
  }
  return reaped;
};

const SecretSchema = z.object({ username: z.string(), password: z.string() });

/** Fails with SecretMissing, or TargetProblem where the instance has no address or no database is named. */
export const loginTo = async (
  instance: Instance,
  address: RdsAddress,
  database: string | null,
  services: Pick<Services, 'secret'>,
): Promise<Login> => {
  const { endpoint } = instance;
  const name = address.database ?? database ?? instance.database;
  if (endpoint === undefined) throw new LifeboatError('TargetProblem', `instance ${instance.id} has no address yet`);
  if (name === undefined)
    throw new LifeboatError('TargetProblem', `instance ${instance.id} was made without a database, and none is named`, {
      hint: 'Give "database" in the environment file.',
    });
  return {
    ...endpoint,
    database: name,
    ...(await credentials(instance, address, services)),
    sslmode: address.sslmode,
    sslrootcert: address.sslrootcert,
    fernetKey: address.fernetKey,
  };
};

const credentials = async (instance: Instance, address: RdsAddress, services: Pick<Services, 'secret'>) => {
  if (address.password !== undefined) return { user: address.user ?? instance.user, password: await services.secret(address.password) };
  if (instance.secret === undefined)
    throw new LifeboatError('TargetProblem', `instance ${instance.id} has no password in Secrets Manager yet`);
  const secret = SecretSchema.safeParse(parsed(await services.secret(`secretsmanager:${instance.secret}`)));
  // Never the parser's own message: it may quote what it read.
  if (!secret.success) throw new LifeboatError('SecretMissing', `the secret of instance ${instance.id} is not what RDS writes`);
  return { user: secret.data.username, password: secret.data.password };
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
