import { LifeboatError } from '../../errors.ts';
import type { Services, Stage, TaskContext } from '../contract.ts';
import type { LakefsAddress } from './address.ts';
import { type Setting, SettingSchema } from './dump-settings.ts';
import { type Uncommitted, UncommittedSchema } from './dump-uncommitted.ts';
import { readLines } from './inventory.ts';
import { eachRef } from './refs.ts';
import { branches, settings, write } from './rest/api.ts';
import { openTargetNamespace, removeMarker, requireMarker, restoreInput, segmentsOf } from './restore-input.ts';
import { openSession, physicalOf, type Session } from './session.ts';

/** Staged changes put back at the same time. */
const STAGED_AT_ONCE = 8;

/** Puts back what lakeFS's own restore leaves out; protection comes last, it would refuse the others. Each step may be repeated. */
export const settingsStage = (address: LakefsAddress, services: Services): Stage => ({
  name: 'restore-settings',
  mode: 'independent',
  async *plan() {
    yield { task: {} };
  },
  async run(_task, context) {
    const { manifest, details, restore } = restoreInput(context);
    await requireMarker(await openTargetNamespace(address, services, details), restore);
    const session = await openSession(address, services, context.budget.signal);
    const found: Setting[] = [];
    for (const segment of segmentsOf(manifest, 'settings'))
      for await (const line of readLines(context.read, segment)) found.push(SettingSchema.parse(line));
    await hide(session, details.ids.branches_meta_range_id, found);
    let staged = 0;
    for (const segment of segmentsOf(manifest, 'uncommitted')) staged += await stage(session, readLines(context.read, segment), context);
    const pulls = await putPulls(session, found);
    for (const setting of found) await put(session, setting);
    return { segments: [], digests: [], facts: { staged, ...pulls } };
  },
});

/** Removes the marker: from here on the namespace is whole. */
export const finishStage = (address: LakefsAddress, services: Services): Stage => ({
  name: 'finish',
  mode: 'independent',
  async *plan() {
    yield { task: {} };
  },
  async run(_task, context) {
    await removeMarker(await openTargetNamespace(address, services, restoreInput(context).details));
    return { segments: [], digests: [] };
  },
});

/** lakeFS can hide a branch only when it makes it: it is made again, at the same commit. */
const hide = async ({ client, metadata, repository }: Session, branchesId: string, found: readonly Setting[]): Promise<void> => {
  const wanted = new Set(found.flatMap((setting) => (setting.kind === 'hidden' ? [setting.branch] : [])));
  if (wanted.size === 0) return;
  const shown = new Set<string>();
  const all = new Set<string>();
  for await (const { id } of branches(client, repository.id, false)) shown.add(id);
  for await (const { id } of branches(client, repository.id, true)) all.add(id);
  const heads = new Map<string, string>();
  await eachRef(metadata, branchesId, ({ id, commitId }) => {
    if (wanted.has(id)) heads.set(id, commitId);
  });
  for (const [name, source] of heads) {
    if (all.has(name) && !shown.has(name)) continue;
    const path = ['repositories', repository.id, 'branches'];
    if (shown.has(name)) await write(client, { method: 'DELETE', path: [...path, name], query: { force: true } }, 204, 404);
    await write(client, { method: 'POST', path, body: { name, source, hidden: true, force: true } }, 201);
  }
};

const stage = async (session: Session, lines: AsyncIterable<unknown>, context: TaskContext): Promise<number> => {
  let staged = 0;
  let round: Uncommitted[] = [];
  const put = async (): Promise<void> => {
    await Promise.all(round.map((change) => stageOne(session, change)));
    staged += round.length;
    round = [];
  };
  for await (const line of lines) {
    context.budget.signal.throwIfAborted();
    round.push(UncommittedSchema.parse(line));
    if (round.length >= STAGED_AT_ONCE) await put();
  }
  await put();
  return staged;
};

const stageOne = async ({ client, repository }: Session, change: Uncommitted): Promise<void> => {
  const path = ['repositories', repository.id, 'branches', change.branch, 'objects'];
  const query = { path: change.path, force: true };
  if (change.kind === 'removed') {
    await write(client, { method: 'DELETE', path, query, repeatable: true }, 204, 404);
    return;
  }
  const body = {
    physical_address: change.address.includes('://') ? change.address : physicalOf(repository.storage_namespace, change.address),
    checksum: change.checksum,
    size_bytes: change.size,
    mtime: change.mtime,
    ...(change.contentType === undefined ? {} : { content_type: change.contentType }),
    ...(change.metadata === undefined ? {} : { metadata: change.metadata }),
    force: true,
  };
  await write(client, { method: 'PUT', path, query: { path: change.path }, body, repeatable: true }, 201);
};

/** They get new ids, authors and dates; one whose branches are gone cannot be made. */
const putPulls = async (
  { client, repository }: Session,
  found: readonly Setting[],
): Promise<{ pulls: number; pullsNotRestored: number }> => {
  const known = new Set<string>();
  const key = (pull: { title: string; source_branch: string; destination_branch: string }): string =>
    JSON.stringify([pull.title, pull.source_branch, pull.destination_branch]);
  for await (const pull of settings.pulls(client, repository.id)) known.add(key(pull));
  const count = { pulls: 0, pullsNotRestored: 0 };
  for (const setting of found) {
    if (setting.kind !== 'pull' || known.has(key(setting.pull))) continue;
    const { title, source_branch, destination_branch, status, id, merged_commit_id } = setting.pull;
    const was = status === 'open' ? '' : `${status}${merged_commit_id ? ` as ${merged_commit_id}` : ''}, `;
    const description = `${setting.pull.description ?? ''}\n\n(${was}pull request ${id} before the restore)`.trim();
    const path = ['repositories', repository.id, 'pulls'];
    const made = await write(
      client,
      { method: 'POST', path, body: { title, description, source_branch, destination_branch } },
      201,
      400,
      404,
      409,
    );
    if (made.status !== 201) {
      count.pullsNotRestored += 1;
      continue;
    }
    count.pulls += 1;
    if (status !== 'open') await write(client, { method: 'PATCH', path: [...path, idOf(made.body)], body: { status: 'closed' } }, 204);
  }
  return count;
};

const idOf = (body: unknown): string => {
  if (typeof body === 'object' && body !== null && 'id' in body && typeof body.id === 'string') return body.id;
  throw new LifeboatError('ServerFailed', 'lakeFS made a pull request and did not say which');
};

/** lakeFS refuses them for a read-only repository, and has no force for that. It can have got them only with its namespace. */
export const isRefusedReadOnly = ({ kind }: Setting): boolean => kind === 'rules' || kind === 'protection';

const put = async ({ client, repository }: Session, setting: Setting): Promise<void> => {
  const path = ['repositories', repository.id];
  if (repository.read_only === true && isRefusedReadOnly(setting)) return;
  if (setting.kind === 'metadata')
    await write(
      client,
      { method: 'POST', path: [...path, 'metadata'], body: { metadata: setting.values }, repeatable: true },
      200,
      201,
      204,
    );
  if (setting.kind === 'rules')
    await write(client, { method: 'PUT', path: [...path, 'settings', 'gc_rules'], body: setting.rules, repeatable: true }, 204);
  if (setting.kind === 'protection')
    await write(client, { method: 'PUT', path: [...path, 'settings', 'branch_protection'], body: setting.rules, repeatable: true }, 204);
};
