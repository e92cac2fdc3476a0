import type { BackupId } from '../../backup/types.ts';
import type { RdsAddress } from './address.ts';
import type { OpenApi, Place } from './clients.ts';
import { accountOf, sharedId, snapshotId, TAG } from './names.ts';
import type { Reference } from './reference.ts';
import { isLater, type Later, later, type Snapshot } from './shapes.ts';
import { awaitSnapshot } from './snapshot.ts';

/** A copy that a backup is to have beside its snapshot: in another region, under another key, or in another account. */
export interface Copy extends Place {
  readonly id: string;
  readonly kmsKey: string | undefined;
  readonly kept: boolean;
}

export type Copied = Reference['copies'][number];

type Addressed = Pick<RdsAddress, 'instance' | 'copies' | 'share'>;

/** Those of the configuration. */
export const copiesOf = ({ instance, copies }: Addressed, backup: BackupId): Copy[] =>
  copies.map(({ region, kmsKey, role, externalId, keep }) => ({
    id: snapshotId(instance, backup),
    region,
    kmsKey,
    role: role === undefined ? undefined : { arn: role, externalId },
    kept: keep,
  }));

/** Where copies are made, each place once. */
export const copiesElsewhere = (address: Addressed): readonly Place[] => [
  ...new Map(
    address.copies.map(({ region, role, externalId }) => [
      `${region} ${role}`,
      { region, role: role === undefined ? undefined : { arn: role, externalId } },
    ]),
  ).values(),
];

/** Accounts that must be let in: those that are named, and those whose roles make copies. */
export const sharedWith = ({ share, copies }: Addressed): readonly string[] => [
  ...new Set([...(share?.accounts ?? []), ...copies.flatMap(({ role }) => (role === undefined ? [] : [accountOf(role)]))]),
];

/** The copy that others are let in to; none where the snapshot itself is under a key that they can be given, or under none. */
export const shareableCopy = ({ instance, share }: Addressed, snapshot: Snapshot, backup: BackupId): Copy | undefined =>
  share?.kmsKey === undefined || share.kmsKey === snapshot.kmsKey
    ? undefined
    : { id: sharedId(instance, backup), kmsKey: share.kmsKey, kept: false };

/**
 * Makes all copies, and waits for them: each is begun as early as can be. Another account copies what it has been let in to, with a
 * role of its own, and what it made is its own.
 */
export const awaitCopies = async (
  open: OpenApi,
  address: RdsAddress,
  snapshot: Snapshot,
  backup: BackupId,
): Promise<readonly Copied[] | Later> => {
  const wanted = copiesOf(address, backup);
  const near = await Promise.all(wanted.filter(({ role }) => role === undefined).map((copy) => awaitCopy(open, snapshot, copy, backup)));
  const shared = await awaitShared(open, address, snapshot, backup);
  if (isLater(shared)) return shared;
  const far = await Promise.all(
    wanted.filter(({ role }) => role !== undefined).map((copy) => awaitCopy(open, shared.snapshot, copy, backup)),
  );
  const copies = [...near, ...shared.copies, ...far];
  return copies.find(isLater) ?? copies.flatMap((copy) => (isLater(copy) ? [] : [copy]));
};

/** What other accounts may copy: the snapshot, or a copy of it under a key that they can use. */
interface Shared {
  readonly snapshot: Snapshot;
  readonly copies: readonly Copied[];
}

const awaitShared = async (open: OpenApi, address: RdsAddress, snapshot: Snapshot, backup: BackupId): Promise<Shared | Later> => {
  const accounts = sharedWith(address);
  if (accounts.length === 0) return { snapshot, copies: [] };
  const api = await open({});
  const copy = shareableCopy(address, snapshot, backup);
  const shareable = copy === undefined ? snapshot : await awaitCopyAt(open, snapshot, copy, backup);
  if (isLater(shareable)) return shareable;
  await api.shareSnapshot(shareable.id, accounts);
  const copies = copy === undefined ? [] : [{ ...copiedOf(shareable, copy, api.region), sharedWith: [...accounts] }];
  return { snapshot: shareable, copies };
};

const awaitCopy = async (open: OpenApi, source: Snapshot, copy: Copy, backup: BackupId): Promise<Copied | Later> => {
  const made = await awaitCopyAt(open, source, copy, backup);
  return isLater(made) ? made : copiedOf(made, copy, (await open(copy)).region);
};

/** The copy is asked for where it is to be, by whom it is to belong to. */
const awaitCopyAt = async (open: OpenApi, source: Snapshot, copy: Copy, backup: BackupId): Promise<Snapshot | Later> => {
  const api = await open(copy);
  if ((await api.snapshot(copy.id)) !== undefined) return awaitSnapshot(api, copy.id, backup);
  await api.copySnapshot(copy.id, source.arn, copy.kmsKey, { [TAG.backup]: backup });
  return later(`copy ${copy.id} to ${placeOf(copy, api.region)} has begun`);
};

const copiedOf = ({ id, arn }: Snapshot, { role, kept }: Copy, region: string): Copied => ({
  snapshot: id,
  arn,
  region,
  sharedWith: [],
  role: role?.arn ?? null,
  kept,
});

const placeOf = ({ role }: Copy, region: string): string => (role === undefined ? region : `account ${accountOf(role.arn)} in ${region}`);

/** A snapshot that a backup has made, and where it lies. */
export interface Made extends Place {
  readonly id: string;
}

/** Everything that a backup has, or may have, outside of the store, and that goes with it. */
export const madeBy = (address: RdsAddress, backup: BackupId, reference: Reference | undefined): readonly Made[] => {
  if (reference === undefined)
    return [
      { id: snapshotId(address.instance, backup) },
      { id: sharedId(address.instance, backup) },
      ...copiesOf(address, backup).filter(({ kept }) => !kept),
    ];
  return [
    { id: reference.snapshot, region: reference.region },
    ...reference.copies
      .filter(({ kept }) => !kept)
      .map(({ snapshot: id, region, role }) => ({ id, region, role: role === null ? undefined : roleOf(address, role) })),
  ];
};

/** What a role's trust policy asks for stands in the configuration alone. */
const roleOf = ({ copies }: Addressed, arn: string): NonNullable<Place['role']> => ({
  arn,
  externalId: copies.find(({ role }) => role === arn)?.externalId,
});

/** Deletes what this backup made, and nothing else; a snapshot that is not there, or carries no tag of ours, is passed over. */
export const deleteSnapshots = async (open: OpenApi, made: readonly Made[], backup: BackupId): Promise<void> => {
  for (const { id, ...place } of made) {
    const api = await open(place);
    const snapshot = await api.snapshot(id);
    if (snapshot?.tags.get(TAG.backup) === backup && snapshot.type === 'manual') await api.deleteSnapshot(id);
  }
};
