import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { isLifeboatError, LifeboatError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import type { Budget, Cursor, Services, Stage } from '../contract.ts';
import type { LakefsAddress } from './address.ts';
import { type Metadata, openMetadata } from './namespace.ts';
import { isBare } from './prepare.ts';
import { proveClosed } from './refs.ts';
import { branches, createBare, deleteRepository, findRepository, type Ids, startRestore, tags, taskState } from './rest/api.ts';
import type { Client } from './rest/client.ts';
import { namespaceOf, openTargetNamespace, requireMarker, restoreInput } from './restore-input.ts';
import { connect } from './session.ts';

/** lakeFS remembers a deleted repository for up to seven seconds, and refuses its name meanwhile. In milliseconds. */
const FORGET_MS = 12_000;
const POLL_MS = 250;
/** A task of a server that was restarted never ends. */
const RESTORE_MS = 60 * 60_000;

const CursorSchema = z.strictObject({ task: z.string(), since: z.int(), polls: z.int() });

export interface Wanted {
  readonly name: string;
  readonly namespace: string;
  readonly defaultBranch: string;
  readonly storageId: string;
  readonly readOnly: boolean;
  readonly overwrite: boolean;
  readonly ids: Ids;
}

/** Makes the bare repository and lets lakeFS load the refs into it; compares what it then says. */
export const refsStage = (address: LakefsAddress, services: Services): Stage => ({
  name: 'restore-refs',
  mode: 'independent',
  async *plan() {
    yield { task: {} };
  },
  async run(_task, context, resume) {
    const { details, restore, overwrite } = restoreInput(context);
    const client = await connect(address, services, context.budget.signal);
    const objects = await openTargetNamespace(address, services, details);
    await requireMarker(objects, restore);
    const wanted: Wanted = {
      ...details.repository,
      name: address.repository,
      namespace: namespaceOf(address, details),
      storageId: address.storageId ?? details.repository.storageId,
      overwrite,
      ids: details.ids,
    };
    const metadata = openMetadata(objects, address.metadataPrefix);
    const at = resume === undefined ? await begin(client, metadata, wanted, services) : CursorSchema.parse(parseJson(resume));
    const ended = await follow(client, wanted, at, services, context.budget);
    if (!ended) {
      const cursor = JSON.stringify({ ...at, polls: at.polls + 1 }) as Cursor;
      return { segments: [], digests: [], next: { cursor, afterSeconds: 1 } };
    }
    await checkRestored(client, metadata, wanted);
    return { segments: [], digests: [] };
  },
});

type Position = z.output<typeof CursorSchema>;

/** The namespace must have the refs, or lakeFS makes a repository that is not usable. Nothing is made before that is known. */
const begin = async (client: Client, metadata: Metadata, wanted: Wanted, services: Pick<Services, 'now'>): Promise<Position> => {
  await proveClosed(metadata, wanted.ids, wanted.defaultBranch);
  // An earlier invocation that died made it; lakeFS's own advice is to begin with a new one.
  const before = await findRepository(client, wanted.name);
  if (before !== undefined) {
    if (before.storage_namespace !== wanted.namespace && !wanted.overwrite && !(await isBare(client, wanted.name)))
      throw new LifeboatError('TargetNotEmpty', `repository ${wanted.name} was made by somebody else meanwhile`, {
        hint: 'Restore under another name.',
      });
    await deleteRepository(client, wanted.name);
  }
  await create(client, wanted, before !== undefined);
  return halfway(client, wanted, async () => ({
    task: await startRestore(client, wanted.name, wanted.ids),
    since: services.now().getTime(),
    polls: 0,
  }));
};

const create = async (client: Client, wanted: Wanted, deleted: boolean): Promise<void> => {
  const end = Date.now() + (deleted ? FORGET_MS : 0);
  for (;;) {
    const { created, message } = await createBare(client, wanted);
    if (created) return;
    if (Date.now() >= end)
      throw new LifeboatError('TargetNotEmpty', `lakeFS makes no repository ${wanted.name}: ${message}`, {
        hint: 'A repository of this name is there, or was until seconds ago.',
      });
    await sleep(POLL_MS);
  }
};

/** What fails from here on leaves a repository that is none: it is removed, or named. */
const halfway = async <T>(client: Client, wanted: Wanted, work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    if (isLifeboatError(error) && error.retryable) throw error;
    const left = await deleteRepository(client, wanted.name).then(
      () => 'it was removed again',
      () => 'it could not be removed and is not usable',
    );
    const reason = error instanceof Error ? error.message : String(error);
    throw new LifeboatError('RestoreFailed', `repository ${wanted.name} was not restored (${left}): ${reason}`, {
      hint: isLifeboatError(error) ? error.hint : '',
      cause: error,
    });
  }
};

const follow = (
  client: Client,
  wanted: Wanted,
  { task, since }: Position,
  services: Pick<Services, 'now'>,
  budget: Budget,
): Promise<boolean> =>
  halfway(client, wanted, async () => {
    for (let wait = POLL_MS / 5; ; wait = Math.min(POLL_MS * 4, wait * 2)) {
      const { done, error } = await taskState(client, wanted.name, 'restore', task);
      if (error !== undefined)
        throw new LifeboatError('RestoreFailed', `lakeFS says: ${error}`, {
          hint: 'The namespace lacks what the refs name, or a newer lakeFS made it.',
        });
      if (done) return true;
      if (services.now().getTime() - since > RESTORE_MS)
        throw new LifeboatError('RestoreFailed', `restore task ${task} did not end within ${RESTORE_MS / 60_000} minutes`, {
          hint: 'The lakeFS server was restarted meanwhile.',
        });
      if (budget.remaining() <= 0) return false;
      await sleep(wait, undefined, { signal: budget.signal });
    }
  });

/** lakeFS answers success also where it loaded nothing. */
export const checkRestored = (client: Client, metadata: Metadata, wanted: Wanted): Promise<void> =>
  halfway(client, wanted, async () => {
    const expected = await proveClosed(metadata, wanted.ids, wanted.defaultBranch);
    const found = { branches: 0, tags: 0 };
    let hasDefault = false;
    for await (const branch of branches(client, wanted.name, true)) {
      found.branches += 1;
      hasDefault ||= branch.id === wanted.defaultBranch;
      if (!expected.known.has(branch.commit_id))
        throw new LifeboatError('CountMismatch', `branch ${branch.id} points to a commit that the backup does not have`);
    }
    for await (const _ of tags(client, wanted.name)) found.tags += 1;
    for (const kind of ['branches', 'tags'] as const)
      if (found[kind] !== expected[kind])
        throw new LifeboatError('CountMismatch', `the restored repository has ${found[kind]} ${kind} instead of ${expected[kind]}`, {
          hint: 'lakeFS said that all was restored.',
        });
    if (!hasDefault && expected.branches > 0)
      throw new LifeboatError('CountMismatch', `the restored repository has no branch ${wanted.defaultBranch}, its default one`);
  });

/** The whole of it in one go, for a manifest whose namespace is there already. */
export const restoreManifest = async (
  client: Client,
  metadata: Metadata,
  wanted: Wanted,
  services: Pick<Services, 'now'>,
  signal: AbortSignal,
): Promise<void> => {
  const at = await begin(client, metadata, wanted, services);
  while (!(await follow(client, wanted, at, services, { remaining: () => RESTORE_MS, signal }))) signal.throwIfAborted();
  await checkRestored(client, metadata, wanted);
};
