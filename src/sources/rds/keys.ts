import type { Problem } from '../contract.ts';
import type { RdsAddress } from './address.ts';
import { sharedWith } from './copies.ts';
import { accountOf } from './names.ts';
import type { Instance } from './shapes.ts';

/**
 * What the configured keys cannot do, told before anything is made. The default key `aws/rds` belongs to AWS: nobody else can be given
 * it, and it does not exist elsewhere.
 */
export const keyProblems = (instance: Instance, address: RdsAddress, home: string): Problem[] => [
  ...shareProblems(instance, address, home),
  ...address.copies.flatMap((copy) => copyProblems(instance, copy, home)),
];

const shareProblems = (instance: Instance, address: RdsAddress, home: string): Problem[] => {
  const { share } = address;
  const accounts = sharedWith(address);
  if (accounts.length === 0)
    return share === undefined
      ? []
      : [problem('NobodyToShareWith', 'share names no account', 'Name accounts under share.accounts, or a role under copies[].role.')];
  if (share?.kmsKey === undefined)
    return instance.encrypted
      ? [
          problem(
            'SnapshotNotShareable',
            `the snapshots of ${instance.id} are under the key ${instance.kmsKey ?? 'of AWS'}, and no key is named that other accounts can use`,
            NEEDS_KEY,
          ),
        ]
      : [];
  if (isDefaultKey(share.kmsKey))
    return [problem('SnapshotNotShareable', `share.kmsKey is ${share.kmsKey}, the default key of AWS, which cannot be shared`, NEEDS_KEY)];
  return elsewhere('share.kmsKey', share.kmsKey, home, undefined);
};

const NEEDS_KEY =
  'Name a customer managed key under share.kmsKey: the default key aws/rds cannot be shared, so a copy under that key is. If it is the key of the instance, the snapshot itself is shared.';

const copyProblems = (instance: Instance, { region, role, kmsKey }: RdsAddress['copies'][number], home: string): Problem[] => {
  if (role === undefined && region === home)
    return [problem('CopyInPlace', `a copy to ${region} is where the snapshot is`, 'Name another region, or a role of another account.')];
  if (kmsKey !== undefined) return elsewhere('copies[].kmsKey', kmsKey, region, role);
  if (!instance.encrypted) return [];
  const where = role === undefined ? region : `account ${accountOf(role)} in ${region}`;
  return [
    problem(
      'CopyNeedsKey',
      `the snapshots of ${instance.id} are encrypted, and no key of ${where} is named for their copies`,
      'Name a key of that region, and of that account, under copies[].kmsKey: a key does not leave its region.',
    ),
  ];
};

const elsewhere = (field: string, key: string, region: string, role: string | undefined): Problem[] => {
  const found = key.split(':')[3];
  if (found !== region)
    return [problem('KeyElsewhere', `${field} is ${key}, a key of ${found} for a snapshot in ${region}`, `Name a key of ${region}.`)];
  if (role === undefined || accountOf(key) === accountOf(role)) return [];
  return [
    problem(
      'KeyElsewhere',
      `${field} is ${key}, a key of account ${accountOf(key)} for a copy that account ${accountOf(role)} makes`,
      'Name a key of the account that is to own the copy: with a key of this one the copy is lost with it.',
    ),
  ];
};

const isDefaultKey = (key: string): boolean => /:alias\/aws\/rds$/.test(key);

const problem = (code: string, message: string, hint: string): Problem => ({ code, message, hint });
