import type { Manifest } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { SegmentSource, Services } from '../contract.ts';
import type { LakefsAddress } from './address.ts';
import { readSettings, SettingSchema } from './dump-settings.ts';
import { changesOf, UncommittedSchema } from './dump-uncommitted.ts';
import { detailsOf } from './gathered.ts';
import { readLines } from './inventory.ts';
import { eachRef } from './refs.ts';
import { branches, deleteRepository, type Ref, tags } from './rest/api.ts';
import { segmentsOf } from './restore-input.ts';
import { openSession, placeOf, type Session } from './session.ts';

/**
 * Deletes the repository as `lakefs-refs.py dump --rm` does: lakeFS forgets it, its objects stay. Not before everything that it has now
 * was found in the backup: what was committed, staged or set since then would be lost.
 */
export const removeRepository = async (
  address: LakefsAddress,
  services: Services,
  manifest: Manifest,
  read: SegmentSource,
  signal: AbortSignal,
): Promise<string> => {
  const session = await openSession(address, services, signal);
  const { client, metadata, repository } = session;
  const { ids, repository: saved } = detailsOf(manifest);
  if (placeOf(client, repository.id) !== manifest.source.place || repository.storage_namespace !== saved.namespace)
    throw changed(`${repository.id} at ${client.login.api} is not the repository that was backed up`);
  if (repository.read_only === true)
    throw new LifeboatError('PermissionDenied', `repository ${repository.id} is read-only and was not removed`, {
      hint: 'Remove it by hand: lakectl repo delete, with force.',
    });
  const heads = async (metaRange: string): Promise<Map<string, string>> => {
    const found = new Map<string, string>();
    await eachRef(metadata, metaRange, ({ id, commitId }) => void found.set(id, commitId));
    return found;
  };
  await refuseNewer('branch', branches(client, repository.id, true), await heads(ids.branches_meta_range_id));
  await refuseNewer('tag', tags(client, repository.id), await heads(ids.tags_meta_range_id));
  await refuseUnsaved(session, manifest, read);
  await deleteRepository(client, repository.id);
  return `repository ${repository.id} at ${client.login.api}; its objects stay in ${saved.namespace}`;
};

const refuseNewer = async (what: string, now: AsyncIterable<Ref>, saved: ReadonlyMap<string, string>): Promise<void> => {
  for await (const { id, commit_id } of now)
    if (saved.get(id) !== commit_id) throw changed(`${what} ${id} points to ${commit_id}, which the backup does not say`);
};

const refuseUnsaved = async (session: Session, manifest: Manifest, read: SegmentSource): Promise<void> => {
  const saved = new Set<string>();
  for (const kind of ['settings', 'uncommitted'] as const)
    for (const segment of segmentsOf(manifest, kind))
      for await (const line of readLines(read, segment))
        saved.add(JSON.stringify(kind === 'settings' ? SettingSchema.parse(line) : UncommittedSchema.parse(line)));
  for (const setting of await readSettings(session))
    if (!saved.has(JSON.stringify(SettingSchema.parse(setting))))
      throw changed(`its settings (${setting.kind}) are not those of the backup`);
  for await (const { id } of branches(session.client, session.repository.id, true))
    for (const change of await changesOf(session, id))
      if (!saved.has(JSON.stringify(UncommittedSchema.parse(change))))
        throw changed(`branch ${id} has an uncommitted change that the backup does not have: ${change.path}`);
};

const changed = (what: string): LifeboatError =>
  new LifeboatError('SourceChanged', `nothing was removed: ${what}`, {
    hint: 'Stop whatever writes to the repository, and back up again.',
  });
