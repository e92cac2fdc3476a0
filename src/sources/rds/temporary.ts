import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { isLifeboatError, LifeboatError } from '../../errors.ts';
import { parseIfJson } from '../../json.ts';
import type { Services } from '../contract.ts';
import type { RdsAddress } from './address.ts';
import type { Api, Tags } from './api.ts';
import type { Login } from './engine.ts';
import { CLONE_PREFIX, isThrowAway, TAG } from './names.ts';
import { INCOMPLETE, type Instance, type Later, later } from './shapes.ts';

/** The database that a new instance is made with where none is named. */
export const NEW_DATABASE = 'lifeboat';

/** An instance that is made of a snapshot, or holds nothing yet. */
export interface Wanted {
  readonly id: string;
  /** ARN; null for an empty one, as `create` of the address has it. */
  readonly snapshot: string | null;
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
    await make(api, address, wanted, tagsOf(address, wanted, now));
    return later(`instance ${id} is being ${wanted.snapshot === null ? 'made' : 'restored'}`);
  }
  if (instance.tags.get(TAG.owner) !== wanted.owner)
    throw new LifeboatError('TargetNotEmpty', `there is an instance ${id} that this restore did not make`, {
      hint: 'A restore makes a new instance: name one that is not there.',
    });
  if (HOPELESS.test(instance.status))
    throw new LifeboatError(
      'RestoreFailed',
      `instance ${id}, ${wanted.snapshot === null ? 'made' : `restored of ${wanted.snapshot}`}, came to the status ${instance.status}`,
      {
        hint: 'The events of the instance say why (aws rds describe-events).',
      },
    );
  if (instance.status === INCOMPLETE) await api.complete?.(id, address.placement, tagsOf(address, wanted, now));
  if (instance.status !== 'available') return later(`instance ${id} is ${instance.status}`);
  if (address.auth === 'iam' || address.password !== undefined || instance.secret !== undefined) return instance;
  if (!instance.hasSecret) await unlessBusy(() => api.manageSecret(id));
  return later(`instance ${id} gets a new password`);
};

const make = async (api: Api, address: RdsAddress, { id, snapshot, throwAway }: Wanted, tags: Tags): Promise<void> => {
  const { placement, auth, create, database } = address;
  if (snapshot !== null) return api.restore(id, snapshot, { ...placement, iam: auth === 'iam' }, tags);
  if (create === undefined) throw new LifeboatError('TargetProblem', `nothing says what instance ${id} is to be made of`);
  // A drill makes a database of its own in it, as on any server.
  await api.create(id, { ...create, database: throwAway ? undefined : (database ?? NEW_DATABASE) }, placement, tags);
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

/** How long a removal is asked for again, and how long the pause between two requests may become; in milliseconds. */
const REMOVAL_PATIENCE_MS = 120_000;
const REMOVAL_PAUSE_MAX_MS = 10_000;

/**
 * Asks for the removal until RDS takes the request, which it does not while the instance is being made or changed. What still stands
 * after some minutes is left to whoever tidies up.
 */
export const endInstance = async (api: Api, id: string, owner: string): Promise<void> => {
  const end = Date.now() + REMOVAL_PATIENCE_MS;
  for (let pause = 500; ; pause = Math.min(2 * pause, REMOVAL_PAUSE_MAX_MS)) {
    if ((await removeInstance(api, id, owner)) === 'gone') return;
    const instance = await api.instance(id);
    if (instance === undefined || instance.status === 'deleting' || Date.now() > end) return;
    await sleep(pause);
  }
};

/** An instance that is still being made or changed takes no request; whoever asks looks again. */
const unlessBusy = async (ask: () => Promise<void>): Promise<void> => {
  try {
    await ask();
  } catch (error) {
    if (!isLifeboatError(error, 'InvalidDBInstanceState')) throw error;
  }
};

/** Throw-away instances whose time is over, and clones of backups that have; asks for the removal of each, and answers their names. */
export const reap = async (api: Api, now: Date, hasEnded: (backup: string) => Promise<boolean>): Promise<readonly string[]> => {
  const reaped: string[] = [];
  for await (const { id, tags, status } of api.instances()) {
    const expires = tags.get(TAG.expires);
    if (!isThrowAway(id) || expires === undefined || status === 'deleting') continue;
    const owner = tags.get(TAG.owner);
    const left = id.startsWith(CLONE_PREFIX) && owner !== undefined && (await hasEnded(owner));
    if (!left && !(Date.parse(expires) <= now.getTime())) continue;
    await unlessBusy(() => api.deleteInstance(id));
    reaped.push(id);
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

const credentials = async (
  instance: Instance,
  address: RdsAddress,
  services: Pick<Services, 'secret'>,
): Promise<Pick<Login, 'user' | 'auth' | 'password'>> => {
  const { auth } = address;
  if (auth === 'iam') return { user: address.user ?? instance.user, auth };
  if (address.password !== undefined)
    return { user: address.user ?? instance.user, auth, password: await services.secret(address.password) };
  if (instance.secret === undefined)
    throw new LifeboatError('TargetProblem', `instance ${instance.id} has no password in Secrets Manager yet`);
  const secret = SecretSchema.safeParse(parseIfJson(await services.secret(`secretsmanager:${instance.secret}`)));
  // Never the parser's own message: it may quote what it read.
  if (!secret.success) throw new LifeboatError('SecretMissing', `the secret of instance ${instance.id} is not what RDS writes`);
  return { user: secret.data.username, auth, password: secret.data.password };
};
