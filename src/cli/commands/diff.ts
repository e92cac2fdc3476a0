import { differingBuckets } from '../../backup/digest.ts';
import type { ClassDigest } from '../../backup/types.ts';
import type { Command } from '../command.ts';
import { count, plural, table } from '../format.ts';
import { SOURCE_OPTION, STORE_OPTION } from '../options.ts';
import { pickBackup } from '../pick.ts';

/** Sums a class that the digest keeps; a class whose every sum differs was changed all over. */
const BUCKETS = 256;

interface ClassDifference {
  readonly name: string;
  readonly change: 'added' | 'removed' | 'columns' | 'content';
  readonly rows: { readonly before: string | null; readonly after: string | null };
  /** Numbers of the key-hash buckets in which the two differ; empty where the columns do. */
  readonly buckets: readonly number[];
}

/** Compares the digests of two backups: which classes changed, and in how many of their parts. */
export const diff: Command = {
  name: 'diff',
  summary: 'say which classes differ between two backups',
  usage: '<backup> <backup>|latest',
  positionals: { min: 2, max: 2 },
  options: { ...SOURCE_OPTION, ...STORE_OPTION },
  details: 'It compares digests, and reads no segment. Differing backups are no failure: the exit code is 0.',
  run: async (call) => {
    const [a = '', b = ''] = call.positionals;
    const [before, after] = [await pickBackup(call, a), await pickBackup(call, b)];
    const classes = compare(before.manifest.digests, after.manifest.digests);
    const equal = classes.length === 0;
    const json = { before: before.backup, after: after.backup, equal, classes };
    if (equal)
      return {
        json,
        text: `${before.backup} and ${after.backup} have equal content: ${plural(before.manifest.digests.length, 'class', 'classes')}`,
      };
    const rows = classes.map(({ name, change, rows: { before: was, after: is }, buckets }) => [
      name,
      change,
      was === null ? '-' : count(was),
      is === null ? '-' : count(is),
      buckets.length === 0 ? '' : `${buckets.length}/${BUCKETS}`,
    ]);
    const head = `${before.backup} → ${after.backup}: ${plural(classes.length, 'class differs', 'classes differ')}`;
    return { json, text: `${head}\n${table(['CLASS', 'CHANGE', 'ROWS BEFORE', 'ROWS AFTER', 'PARTS'], rows, { right: [2, 3, 4] })}` };
  },
};

const compare = (before: readonly ClassDigest[], after: readonly ClassDigest[]): ClassDifference[] => {
  const [was, is] = [new Map(before.map((digest) => [digest.name, digest])), new Map(after.map((digest) => [digest.name, digest]))];
  const names = [...new Set([...was.keys(), ...is.keys()])].sort();
  return names.flatMap((name) => difference(name, was.get(name), is.get(name)) ?? []);
};

const difference = (name: string, before: ClassDigest | undefined, after: ClassDigest | undefined): ClassDifference | undefined => {
  const rows = { before: before?.rows ?? null, after: after?.rows ?? null };
  if (before === undefined || after === undefined) return { name, change: before === undefined ? 'added' : 'removed', rows, buckets: [] };
  if (before.shape !== after.shape) return { name, change: 'columns', rows, buckets: [] };
  if (before.digest === after.digest && before.rows === after.rows) return undefined;
  return { name, change: 'content', rows, buckets: differingBuckets(before, after) };
};
