import type { Check, Manifest } from '../../backup/types.ts';
import type { TaskContext } from '../contract.ts';
import { assertionsOf } from './conclude.ts';
import { SettingSchema } from './dump-settings.ts';
import { UncommittedSchema } from './dump-uncommitted.ts';
import type { Details } from './gathered.ts';
import { readLines } from './inventory.ts';
import { eachRecord } from './refs.ts';
import { branches, changes, findBranch, listing, repository, settings, tags } from './rest/api.ts';
import { segmentsOf } from './restore-input.ts';
import { isRefusedReadOnly } from './restore-settings.ts';
import type { Session } from './session.ts';
import { decodeCommit, decodeEntry } from './sst/records.ts';

/** Objects of the default branch that the server lists, compared one by one with its metadata: a page of a thousand is a request. */
const LISTED_MAX = 20_000;

interface Input {
  readonly manifest: Manifest;
  readonly details: Details;
}

/** Asks the restored server itself, through its API, by name: counts, heads, settings, the listing of the default branch. */
export const auditChecks = async (session: Session, input: Input, context: TaskContext): Promise<readonly Check[]> => {
  const { client, repository: restored } = session;
  const { details } = input;
  const seen = { all: 0, shown: 0, tags: 0, heads: new Map<string, string>() };
  for await (const { id, commit_id } of branches(client, restored.id, true)) {
    seen.all += 1;
    if (details.heads[id] !== undefined) seen.heads.set(id, commit_id);
  }
  for await (const _ of branches(client, restored.id, false)) seen.shown += 1;
  for await (const _ of tags(client, restored.id)) seen.tags += 1;
  const found = await repository(client, restored.id);
  const answers: Readonly<Record<string, string>> = {
    'lakefs.default_branch': found.default_branch,
    [`lakefs.head of ${details.repository.defaultBranch}`]:
      (await findBranch(client, restored.id, details.repository.defaultBranch))?.commit_id ?? 'none',
    'lakefs.branches': String(seen.all),
    'lakefs.tags': String(seen.tags),
    'lakefs.hidden_branches': String(seen.all - seen.shown),
    'lakefs.uncommitted_changes': String(await countChanges(session, input, context)),
  };
  const asserted = assertionsOf(details).map(({ name, value }) => check(name, value, answers[name] ?? 'not asked'));
  const heads = Object.entries(details.heads);
  const wrong = heads.filter(([name, commit]) => seen.heads.get(name) !== commit).map(([name]) => name);
  return [
    ...asserted,
    check(`heads of ${heads.length} branches by name`, 'equal', wrong.length === 0 ? 'equal' : `${wrong.length} differ: ${wrong[0]}`),
    ...(await settingChecks(session, input, context)),
    ...(await listingChecks(session, details)),
  ];
};

const check = (name: string, expected: string, actual: string): Check => ({ name, expected, actual, ok: expected === actual });

/** Of the branches that had changes when they were saved; the others were made anew and have none. */
const countChanges = async ({ client, repository: { id } }: Session, { manifest }: Input, { read }: TaskContext): Promise<number> => {
  const dirty = new Set<string>();
  for (const segment of segmentsOf(manifest, 'uncommitted'))
    for await (const line of readLines(read, segment)) dirty.add(UncommittedSchema.parse(line).branch);
  let count = 0;
  for (const branch of dirty) for await (const _ of changes(client, id, branch)) count += 1;
  return count;
};

const settingChecks = async (
  { client, repository: { id, read_only: readOnly = false } }: Session,
  { manifest }: Input,
  { read }: TaskContext,
): Promise<Check[]> => {
  const checks: Check[] = [];
  let pulls = 0;
  for (const segment of segmentsOf(manifest, 'settings')) {
    for await (const line of readLines(read, segment)) {
      const setting = SettingSchema.parse(line);
      if (readOnly && isRefusedReadOnly(setting)) continue;
      if (setting.kind === 'protection')
        checks.push(check('branch protection', sorted(setting.rules), sorted(await settings.protection(client, id))));
      if (setting.kind === 'metadata')
        checks.push(check('repository metadata', inOrder(setting.values), inOrder(await settings.metadata(client, id))));
      if (setting.kind === 'rules')
        checks.push(
          check('garbage collection rules', JSON.stringify(setting.rules), JSON.stringify((await settings.rules(client, id)) ?? null)),
        );
      if (setting.kind === 'pull' && setting.pull.status === 'open') pulls += 1;
    }
  }
  if (pulls === 0) return checks;
  let open = 0;
  for await (const { status } of settings.pulls(client, id)) if (status === 'open') open += 1;
  return [...checks, check('open pull requests', String(pulls), String(open))];
};

const sorted = (rules: readonly { readonly pattern: string }[]): string => JSON.stringify(rules.map(({ pattern }) => pattern).sort());
const inOrder = (values: Readonly<Record<string, string>>): string =>
  JSON.stringify(Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1)));

/** What the server lists of the default branch's last commit, against the rows of its metarange. */
const listingChecks = async (
  { client, metadata, repository: { id } }: Session,
  { ids, heads, repository: { defaultBranch } }: Details,
): Promise<Check[]> => {
  const head = heads[defaultBranch];
  if (head === undefined) return [];
  let metaRange = '';
  await eachRecord(
    metadata,
    ids.commits_meta_range_id,
    (data) => {
      const commit = decodeCommit(data);
      if (commit.id === head) metaRange = commit.metaRangeId;
    },
    true,
  );
  const expected: string[] = [];
  if (metaRange !== '')
    await eachRecord(
      metadata,
      metaRange,
      (data, key) => {
        if (expected.length >= LISTED_MAX) return;
        const { size, etag } = decodeEntry(data);
        expected.push(JSON.stringify([key.toString('utf8'), size, etag]));
      },
      true,
    );
  let [at, wrong] = [0, ''];
  for await (const { path, size_bytes, checksum } of listing(client, id, head)) {
    if (at >= LISTED_MAX) break;
    const line = JSON.stringify([path, size_bytes ?? 0, checksum]);
    if (line !== expected[at] && wrong === '') wrong = `${line} at ${at} instead of ${expected[at] ?? 'nothing'}`;
    at += 1;
  }
  const all = `${expected.length} objects`;
  return [{ ...check(`listing of ${defaultBranch}`, all, wrong === '' ? `${at} objects` : wrong), class: 'objects' }];
};
