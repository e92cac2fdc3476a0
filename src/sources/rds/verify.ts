import type { Manifest } from '../../backup/types.ts';
import { isLifeboatError } from '../../errors.ts';
import type { PoolProof } from '../contract.ts';
import { clientsOf } from './clients.ts';
import { accountOf, TAG } from './names.ts';
import { type Reference, referenceOf } from './reference.ts';
import type { Snapshot } from './shapes.ts';

/** A snapshot that a backup names, and what is known of it. */
interface Named {
  readonly what: string;
  readonly id: string;
  readonly arn: string;
  readonly region: string;
  readonly role: string | null;
  /** Of the snapshot that the backup was made with, alone. */
  readonly expected?: Pick<Reference, 'createdAt' | 'kmsKey' | 'bytes'>;
}

type Flaws = PoolProof['flaws'];
type NotMeasured = NonNullable<PoolProof['notMeasured']>;

/** Asks RDS whether what a backup lives by is still there, and is what it was. Reads no byte of it: that is for a drill. */
export const verifySnapshots = async (manifest: Manifest): Promise<PoolProof> => {
  const reference = referenceOf(manifest);
  const { open } = clientsOf({ cluster: reference.cluster, region: reference.region, endpoint: undefined });
  const named: Named[] = [
    { ...reference, what: 'the snapshot', id: reference.snapshot, role: null, expected: reference },
    ...reference.copies.map((copy) => ({ ...copy, what: 'a copy', id: copy.snapshot })),
  ];
  const flaws: Flaws[number][] = [];
  const notMeasured: NotMeasured[number][] = [];
  for (const one of named) {
    try {
      const { region, role } = one;
      const account = role === null ? await ownAccount(region) : accountOf(role);
      if (account !== accountOf(one.arn)) {
        notMeasured.push({ what: `${one.what} ${one.arn}`, why: `it belongs to another account than these credentials (${account})` });
        continue;
      }
      const snapshot = await (await open({ region, role: role === null ? undefined : { arn: role } })).snapshot(one.id);
      flaws.push(...flawsOf(one, snapshot, manifest.backup).map((message) => ({ key: one.arn, message, outside: true as const })));
    } catch (error) {
      if (!isLifeboatError(error)) throw error;
      notMeasured.push({ what: `${one.what} ${one.arn}`, why: `${error.code}: ${error.message}` });
    }
  }
  const asked = named.length - notMeasured.length;
  // Rows that lie in the store were read; the snapshot is then only a faster way back.
  const dumped = manifest.details !== null;
  const summary = `RDS: ${asked} of ${named.length} ${named.length === 1 ? 'snapshot' : 'snapshots'} asked about${dumped ? notesOf(notMeasured) : ''}`;
  return { summary, flaws, notMeasured: dumped ? [] : notMeasured };
};

const notesOf = (notMeasured: NotMeasured): string => notMeasured.map(({ what, why }) => `; not ${what}: ${why}`).join('');

const ownAccount = async (region: string): Promise<string> => (await import('./role.ts')).callerAccount(region);

const flawsOf = ({ expected }: Named, snapshot: Snapshot | undefined, backup: string): readonly string[] => {
  if (snapshot === undefined) return ['it is gone: somebody else than Lifeboat deleted it'];
  const differs = (what: string, was: unknown, is: unknown): string[] => (was === is ? [] : [`its ${what} was ${was}, and is ${is}`]);
  return [
    ...(snapshot.status === 'available' ? [] : [`its status is ${snapshot.status}`]),
    ...(snapshot.tags.get(TAG.backup) === backup ? [] : [`it has no tag ${TAG.backup}=${backup}: retention would not remove it`]),
    ...(expected === undefined
      ? []
      : [
          ...differs('time', expected.createdAt, snapshot.createdAt?.toISOString()),
          ...differs('key', expected.kmsKey ?? 'none', snapshot.kmsKey ?? 'none'),
          ...(expected.bytes === null ? [] : differs('size in bytes', expected.bytes, snapshot.bytes)),
        ]),
  ];
};
