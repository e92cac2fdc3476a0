import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { PointInTime } from '../../backup/types.ts';
import { isLifeboatError, LifeboatError } from '../../errors.ts';
import type { Services } from '../contract.ts';
import type { LakefsAddress } from './address.ts';
import { proveClosed } from './refs.ts';
import { branches, changes, dumpRefs, type Ids, IdsSchema, startDump, taskState, write } from './rest/api.ts';
import { openSession, type Session } from './session.ts';

/** lakeFS never gives up on a task whose server died: how long one may take, and how often it is looked at, in milliseconds. */
const DUMP_MS = 10 * 60_000;
const POLL_MS = 500;

export const TokenSchema = z.object({ ids: IdsSchema });

/** Dumps the refs: from here on the backup is of that moment, whatever is committed later. */
export const openInstant = async (address: LakefsAddress, services: Services): Promise<PointInTime> => {
  const session = await openSession(address, services);
  const started = services.now();
  if (address.uncommitted === 'commit') await commitAll(session, started);
  const { ids, at } =
    address.dump === 'sync' ? await dumpRefs(session.client, session.repository.id) : await dumpAsync(session, started, services.now);
  return { consistency: 'snapshot', at: (at ?? started).toISOString(), token: { ids } };
};

/** As `lakefs-refs.py dump --commit` does, hidden branches too. */
const commitAll = async ({ client, repository }: Session, at: Date): Promise<void> => {
  for await (const { id } of branches(client, repository.id, true)) {
    for await (const _ of changes(client, repository.id, id)) {
      const path = ['repositories', repository.id, 'branches', id, 'commits'];
      const body = { message: 'Committed changes for dump', metadata: { dump: at.toISOString() } };
      const answer = await write(client, { method: 'POST', path, body }, 201, 400, 409, 412);
      if (answer.status === 412)
        throw new LifeboatError('SourceProblem', `a hook refused to commit the changes of branch ${id}`, {
          hint: 'Commit or revert them by hand, or set uncommitted to save.',
        });
      break;
    }
  }
};

/**
 * The asynchronous dump reads commits before branches, so a commit of that time may be missing. What a second dump has in commits
 * holds all that the first has in branches and tags.
 */
const dumpAsync = async (session: Session, started: Date, now: Services['now']): Promise<{ readonly ids: Ids; readonly at: Date }> => {
  const first = await dumpOnce(session, now);
  if (await isClosed(session, first)) return { ids: first, at: started };
  const second = await dumpOnce(session, now);
  const joined = { ...first, commits_meta_range_id: second.commits_meta_range_id };
  await proveClosed(session.metadata, joined, session.repository.default_branch);
  return { ids: joined, at: started };
};

const isClosed = async ({ metadata, repository }: Session, ids: Ids): Promise<boolean> => {
  try {
    await proveClosed(metadata, ids, repository.default_branch);
    return true;
  } catch (error) {
    if (isLifeboatError(error, 'RefsTorn')) return false;
    throw error;
  }
};

const dumpOnce = async ({ client, repository }: Session, now: Services['now']): Promise<Ids> => {
  const task = await startDump(client, repository.id);
  for (const end = now().getTime() + DUMP_MS; now().getTime() < end; await sleep(POLL_MS)) {
    const { done, error, refs } = await taskState(client, repository.id, 'dump', task);
    if (!done) continue;
    if (error !== undefined) throw new LifeboatError('ServerFailed', `lakeFS failed to dump the refs of ${repository.id}: ${error}`);
    const ids = IdsSchema.safeParse(refs);
    if (ids.success) return ids.data;
    throw new LifeboatError('ServerFailed', `lakeFS ended the dump ${task} of ${repository.id} without the ids of its files`);
  }
  throw new LifeboatError('ServerFailed', `the dump ${task} of ${repository.id} did not end within ${DUMP_MS / 60_000} minutes`, {
    hint: 'A task of a lakeFS server that was restarted never ends. Back up again.',
  });
};
