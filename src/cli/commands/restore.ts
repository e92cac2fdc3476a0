import { TO } from '../../environment/adhoc.ts';
import { LifeboatError } from '../../errors.ts';
import { failedChecks } from '../checks.ts';
import { type Call, type Command, isSet, text } from '../command.ts';
import { duration, plural } from '../format.ts';
import { SOURCE_OPTION, STORE_OPTION } from '../options.ts';
import { pickBackup } from '../pick.ts';

/** Runs the restore state machine. It never goes to the source by default. */
export const restore: Command = {
  name: 'restore',
  summary: 'restore a backup to a target, and compare every row',
  usage: '<backup>|latest',
  positionals: { min: 1, max: 1 },
  options: {
    to: { type: 'string', value: '<url>', help: 'where to (default restore.target of the source)' },
    overwrite: { type: 'boolean', help: 'replace what is in the target' },
    only: { type: 'string', value: 'audit', help: 'restore nothing, only compare the target with the backup' },
    ...SOURCE_OPTION,
    ...STORE_OPTION,
  },
  details: 'The target must be empty, unless --overwrite says otherwise.',
  run: async (call) => {
    const only = onlyOf(call);
    const entry = await pickBackup(call, call.positionals[0] ?? '');
    const target = await targetOf(call, entry.source);
    const engine = await call.engine();
    const result = await engine.restore(
      { source: entry.source, backup: entry.backup, target, overwrite: isSet(call.flags, 'overwrite'), only },
      call.run,
    );
    const failed = failedChecks(result.checks, call.style);
    const did = only === 'audit' ? 'compared with' : 'restored to';
    const equal =
      result.checks.length === 0
        ? call.style.warn('nothing was compared')
        : call.style.good(`${plural(result.checks.length, 'check')} passed`);
    const { checks, ...rest } = result;
    return {
      json: { ...rest, ok: failed.exit === 0, checks },
      text: `backup ${result.backup} of ${result.source} ${did} ${result.target} in ${duration(result.seconds)}: ${failed.exit === 0 ? equal : failed.text}`,
      exit: failed.exit,
    };
  },
};

const onlyOf = (call: Call): 'audit' | undefined => {
  const only = text(call.flags, 'only');
  if (only === undefined || only === 'audit') return only;
  throw new LifeboatError('Usage', `unknown part of a restore: ${only}`, { hint: 'It is audit.' });
};

/** Fails with TargetMissing before anything is started. */
const targetOf = async (call: Call, source: string): Promise<string> => {
  if (text(call.flags, 'to') !== undefined) return TO;
  const configured = (await call.environment()).sources[source]?.restore?.target;
  if (configured !== undefined) return configured;
  throw new LifeboatError('TargetMissing', `no target for a restore of ${source}`, {
    hint: 'Say where with --to <url>, or set restore.target of the source in the environment.',
  });
};
