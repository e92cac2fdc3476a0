import { findBackup } from '../../backup/catalog.ts';
import { sourceNameOf } from '../../environment/adhoc.ts';
import { UsageError } from '../arguments.ts';
import { type Call, type Command, text } from '../command.ts';
import { duration, plural, size } from '../format.ts';
import { STORE_OPTION } from '../options.ts';
import { pickSource, sourceEntry } from '../pick.ts';
import { backupJson, secondsOf } from '../summary.ts';

/** Runs the backup state machine for one source. */
export const backup: Command = {
  name: 'backup',
  summary: 'back up a source of the environment, or a URL',
  usage: '<source> | --from <url>',
  positionals: { min: 0, max: 1 },
  options: {
    from: { type: 'string', value: '<url>', help: 'what to back up, in place of a source of the environment' },
    source: { type: 'string', value: '<name>', help: 'name of the source of --from (default <kind>-<last path part>)' },
    ...STORE_OPTION,
  },
  run: async (call) => {
    const source = await sourceOf(call);
    const engine = await call.engine();
    const result = await engine.backup({ source }, call.run);
    if (result.already) return already(result);
    const entry = await findBackup(await call.store(), result.backup, source);
    const json = {
      ...backupJson(entry),
      already: false,
      execution: result.execution,
      store: (await call.store()).url,
      seconds: secondsOf(entry),
    };
    const sizes = `${plural(entry.rows, 'row')}, ${size(entry.bytes)} in ${plural(entry.manifest.segments.length, 'segment')}`;
    return { json, text: `backup ${entry.backup} of ${source}: ${sizes}, ${duration(secondsOf(entry))}` };
  },
};

const already = (result: { readonly source: string; readonly backup: string; readonly execution: string }) => ({
  json: { source: result.source, backup: result.backup, already: true, execution: result.execution },
  text: `backup ${result.backup} of ${result.source} is there already, or is being made`,
});

const sourceOf = async (call: Call): Promise<string> => {
  const [named] = call.positionals;
  const from = text(call.flags, 'from');
  if (from === undefined) {
    if (named === undefined && text(call.flags, 'store') !== undefined)
      throw new UsageError(
        'backup needs --from <url> with --store',
        'A store in the command line takes the place of an environment.',
        backup,
      );
    const source = named ?? (await pickSource(call, undefined));
    sourceEntry(await call.environment(), source);
    return source;
  }
  if (named !== undefined)
    throw new UsageError('a source and --from exclude each other', 'Name the source of --from with --source.', backup);
  return sourceNameOf(from, text(call.flags, 'source'));
};
