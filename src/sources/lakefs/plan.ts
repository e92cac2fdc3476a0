import { LifeboatError } from '../../errors.ts';
import { openIdSet } from './id-set.ts';
import type { Metadata } from './namespace.ts';
import { eachCommit, proveClosed, rangesOf } from './refs.ts';
import type { Ids } from './rest/api.ts';
import type { DumpTask } from './tasks.ts';

/** Rows of the ranges of one task: minutes of copying on a first backup, seconds when they are there. */
const TASK_ROWS = 10_000;
/** Ranges and metaranges of one task: keeps it below a MiB of JSON. */
const TASK_FILES = 4_000;
/** Tasks of objects at most; a plan may have 10 000. */
const TASKS_MAX = 8_000;
/** Metaranges read at the same time: each is a request. */
const READS_AT_ONCE = 16;

interface Reached {
  readonly id: string;
  readonly commit: string;
  readonly rows: number;
  /** First path: ranges of the same paths hold the same objects, and go into one task. */
  readonly first: string;
}

/**
 * Tasks of a dump: settings, refs, and what the commits reach. Memory grows with the number of ranges, some hundred bytes each of
 * which stands for thousands of objects.
 */
export async function* planDump(metadata: Metadata, ids: Ids, defaultBranch: string, withUncommitted: boolean): AsyncGenerator<DumpTask> {
  await proveClosed(metadata, ids, defaultBranch);
  yield { kind: 'settings' };
  if (withUncommitted) yield { kind: 'uncommitted' };
  yield { kind: 'refs' };
  const { metaRanges, ranges } = await reach(metadata, ids);
  for (let from = 0; from < metaRanges.length; from += TASK_FILES)
    yield { kind: 'metadata', files: metaRanges.slice(from, from + TASK_FILES) };
  yield* planObjects(ranges);
}

/** Distinct metaranges and ranges of all commits. */
export const reach = async (
  metadata: Metadata,
  ids: Ids,
): Promise<{ readonly metaRanges: readonly string[]; readonly ranges: readonly Reached[] }> => {
  const known = openIdSet();
  const first: { readonly metaRange: string; readonly commit: string }[] = [];
  await eachCommit(
    metadata,
    ids.commits_meta_range_id,
    ({ id, metaRangeId }) => {
      // A commit of nothing has no metarange.
      if (metaRangeId !== '' && known.add(metaRangeId)) first.push({ metaRange: metaRangeId, commit: id });
    },
    true,
  );
  const seen = openIdSet();
  const ranges: Reached[] = [];
  for (let from = 0; from < first.length; from += READS_AT_ONCE) {
    const round = first.slice(from, from + READS_AT_ONCE);
    const found = await Promise.all(round.map(({ metaRange }) => rangesOf(metadata, metaRange)));
    for (const [n, list] of found.entries())
      for (const { id, count, minKey } of list)
        if (seen.add(id)) ranges.push({ id, commit: round[n]?.commit ?? '', rows: count, first: minKey.toString('latin1') });
  }
  return { metaRanges: first.map(({ metaRange }) => metaRange), ranges };
};

function* planObjects(ranges: readonly Reached[]): Generator<DumpTask> {
  const total = ranges.reduce((sum, { rows }) => sum + rows, 0);
  const size = Math.max(TASK_ROWS, Math.ceil(total / TASKS_MAX));
  const sorted = [...ranges].sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  let gathered: [string, string][] = [];
  let rows = 0;
  let tasks = 0;
  for (const range of sorted) {
    if (gathered.length > 0 && (rows + range.rows > size || gathered.length >= TASK_FILES)) {
      yield { kind: 'objects', ranges: gathered };
      tasks += 1;
      gathered = [];
      rows = 0;
    }
    gathered.push([range.id, range.commit]);
    rows += range.rows;
  }
  if (gathered.length > 0) yield { kind: 'objects', ranges: gathered };
  if (tasks > TASKS_MAX * 2) throw new LifeboatError('PlanTooLarge', `the objects of ${ranges.length} ranges do not fit into a plan`);
}
