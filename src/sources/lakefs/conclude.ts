import type { Assertion } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import type { Conclusion, StageContext } from '../contract.ts';
import { type Details, gather } from './gathered.ts';
import { restoreGuide } from './guide.ts';

/** What the restored server has to say again, in its own words. */
export const assertionsOf = ({ counts, repository, heads, settings, uncommitted }: Details): Assertion[] => [
  { name: 'lakefs.default_branch', value: repository.defaultBranch },
  { name: `lakefs.head of ${repository.defaultBranch}`, value: heads[repository.defaultBranch] ?? 'none' },
  { name: 'lakefs.branches', value: String(counts.branches) },
  { name: 'lakefs.tags', value: String(counts.tags) },
  { name: 'lakefs.hidden_branches', value: String(settings.hidden) },
  { name: 'lakefs.uncommitted_changes', value: String(uncommitted) },
];

export const concludeDump = async (context: StageContext, metadataPrefix: string): Promise<Conclusion> => {
  const details = await gather(context, metadataPrefix);
  const [pointInTime] = await context.instants();
  if (pointInTime === undefined) throw new LifeboatError('InstantLost', 'the instant of this backup is not written down');
  return {
    pointInTime,
    artifact: { format: 'lakeFS refs manifest', restoreWith: 'lakectl refs-restore' },
    assertions: assertionsOf(details),
    details: parseJson(JSON.stringify(details)),
    notIncluded: notIncluded(details),
    guide: restoreGuide(details),
  };
};

const notIncluded = ({ copied, movedBranches, settings, repository }: Details): Record<string, string> => {
  const left = copied.external - copied.externalCopied;
  const refused = repository.readOnly ? settings.protection + Number(settings.rules) : 0;
  return {
    ...(left > 0 ? { 'imported objects outside of the storage namespace (listed, not copied)': String(left) } : {}),
    ...(refused > 0 ? { 'settings that lakeFS lets nobody put back into a read-only repository': String(refused) } : {}),
    ...(movedBranches > 0 ? { 'branches that moved on before their uncommitted changes were read': String(movedBranches) } : {}),
    ...(settings.pulls > 0 ? { 'ids, authors and merge state of pull requests (they get new ones)': String(settings.pulls) } : {}),
  };
};
