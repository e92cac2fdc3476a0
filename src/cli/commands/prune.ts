import { type Command, isSet } from '../command.ts';
import type { PruneResult } from '../engine.ts';
import { plural, table } from '../format.ts';
import { STORE_OPTION } from '../options.ts';
import { sourceEntry } from '../pick.ts';

/** Removes what retention does not keep; says so first. */
export const prune: Command = {
  name: 'prune',
  summary: 'say which backups retention removes; --yes removes them',
  usage: '[<source>]',
  positionals: { min: 0, max: 1 },
  options: { yes: { type: 'boolean', help: 'remove them' }, ...STORE_OPTION },
  details: 'Without a source: every source that has a retention. The newest proven backup is always kept.',
  run: async (call) => {
    const environment = await call.environment();
    const [named] = call.positionals;
    if (named !== undefined) sourceEntry(environment, named);
    const withRetention = Object.entries(environment.sources).filter(([, entry]) => entry.retention !== undefined);
    const sources = named === undefined ? withRetention.map(([name]) => name) : [named];
    if (sources.length === 0)
      return { json: { applied: false, sources: [] }, text: `no source of environment ${environment.name} has a retention` };
    const engine = await call.engine();
    const results: PruneResult[] = [];
    for (const source of sources) results.push(await engine.prune({ source, apply: isSet(call.flags, 'yes') }, call.run));
    return { json: { applied: isSet(call.flags, 'yes'), sources: results }, text: results.map(render).join('\n\n') };
  },
};

const render = ({ source, keep, remove, applied, frozen }: PruneResult): string => {
  const verb = applied ? 'removed' : 'would be removed';
  const rows = [
    ...keep.map(({ backup, why }) => [backup, 'keep', why.join(', ')]),
    ...remove.map(({ backup }) => [backup, applied ? 'removed' : 'remove', '']),
  ].sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
  const head = `${source}: ${plural(remove.length, 'backup')} ${verb}, ${keep.length} kept`;
  const hint = applied || remove.length === 0 ? '' : '\nNothing was removed; --yes does it.';
  const why = frozen === undefined ? '' : `\nNothing is removed: ${frozen}.`;
  return `${head}${why}${rows.length === 0 ? '' : `\n${table(['BACKUP', 'DECISION', 'WHY'], rows)}`}${hint}`;
};
