import { findBackup } from '../../backup/catalog.ts';
import { sourceNameOf } from '../../environment/adhoc.ts';
import { LifeboatError } from '../../errors.ts';
import { kindNamed } from '../../sources/registry.ts';
import { UsageError } from '../arguments.ts';
import { type Call, type Command, isSet, type Outcome, text } from '../command.ts';
import type { BackupResult } from '../engine.ts';
import { duration, plural, size } from '../format.ts';
import { inTurn } from '../in-turn.ts';
import { RUN_OPTIONS, STORE_OPTION } from '../options.ts';
import { pickSource, sourceEntry } from '../pick.ts';
import { removeBackedUp } from '../remove-source.ts';
import { backupJson, holdingOf, secondsOf } from '../summary.ts';

/** Runs the backup state machine for one source, or for one after the other. */
export const backup: Command = {
  name: 'backup',
  summary: 'back up a source of the environment, or a URL',
  usage: '<source> | --from <url> | --all',
  positionals: { min: 0, max: 1 },
  options: {
    from: { type: 'string', value: '<url>', help: 'what to back up, in place of a source of the environment' },
    source: { type: 'string', value: '<name>', help: 'name of the source of --from (default <kind>-<last path part>)' },
    all: { type: 'boolean', help: 'every source of the environment; with --from: every repository of a server (lakeFS)' },
    commit: { type: 'boolean', help: 'first commit what nobody committed (lakeFS)' },
    'remove-source': { type: 'boolean', help: 'once the backup is sealed and verified, remove what was backed up (lakeFS)' },
    ...RUN_OPTIONS,
    ...STORE_OPTION,
  },
  details: '--all goes on after a source that failed, and ends with its exit code.',
  run: async (call) => {
    const names = await sourcesOf(call);
    await refuseFlags(call, names);
    if (!isSet(call.flags, 'all')) return backupOne(call, names[0] ?? '');
    return inTurn(call, 'backups', names, (name) => backupOne(call, name));
  },
};

const backupOne = async (call: Call, source: string): Promise<Outcome> => {
  const removing = isSet(call.flags, 'remove-source');
  const result = await (await call.engine()).backup({ source }, call.run);
  if (result.already && !removing) return already(result);
  if (result.already)
    throw new LifeboatError('BackupFailed', `backup ${result.backup} of ${source} was there already; its source was not removed`, {
      hint: 'Nobody can say that it has what the source has now. Back up again in a minute.',
    });
  const entry = await findBackup(await call.store(), result.backup, source);
  const removed = removing ? await removeBackedUp(call, entry) : undefined;
  const json = {
    ...backupJson(entry),
    already: false,
    execution: result.execution,
    store: (await call.store()).url,
    seconds: secondsOf(entry),
    removed: removed ?? null,
  };
  const sizes = `${plural(entry.rows, 'row')}, ${size(entry.bytes)} in ${plural(entry.manifest.segments.length, 'segment')}`;
  const holding = holdingOf(entry);
  const pool = holding === undefined ? '' : `, ${holding.words}, ${size(holding.poolBytes)} in the pool`;
  const line = `backup ${entry.backup} of ${entry.source}: ${sizes}${pool}, ${duration(secondsOf(entry))}`;
  return { json, text: removed === undefined ? line : `${line}\nremoved ${removed}` };
};

const already = (result: BackupResult): Outcome => ({
  json: { source: result.source, backup: result.backup, already: true, execution: result.execution },
  text: `backup ${result.backup} of ${result.source} is there already, or is being made`,
});

/** Names in the environment; with --all there may be none. */
const sourcesOf = async (call: Call): Promise<readonly string[]> => {
  const [named] = call.positionals;
  const from = text(call.flags, 'from');
  if (isSet(call.flags, 'all')) {
    if (named !== undefined || text(call.flags, 'source') !== undefined)
      throw new UsageError('--all and the name of a source exclude each other', 'Leave one of them out.', backup);
    const { sources } = await call.environment();
    if (Object.keys(sources).length > 0) return Object.keys(sources);
    throw new LifeboatError('UnknownSource', from === undefined ? 'the environment has no sources' : 'the server has nothing to back up', {
      hint: 'A user sees only what it may list.',
    });
  }
  if (from === undefined) {
    if (named === undefined && text(call.flags, 'store') !== undefined)
      throw new UsageError(
        'backup needs --from <url> with --store',
        'A store in the command line takes the place of an environment.',
        backup,
      );
    const source = named ?? (await pickSource(call, undefined));
    sourceEntry(await call.environment(), source);
    return [source];
  }
  if (named !== undefined)
    throw new UsageError('a source and --from exclude each other', 'Name the source of --from with --source.', backup);
  return [sourceNameOf(from, text(call.flags, 'source'))];
};

/** Before anything is backed up: what cannot be done is not found out afterwards. */
const refuseFlags = async (call: Call, names: readonly string[]): Promise<void> => {
  const flag = ['commit', 'remove-source'].find((name) => isSet(call.flags, name));
  if (flag === undefined) return;
  const environment = await call.environment();
  for (const name of names) {
    const { kind } = sourceEntry(environment, name);
    if (kindNamed(kind).members === undefined)
      throw new UsageError(`--${flag} is not for sources of kind ${kind}, such as ${name}`, 'It is for repositories of lakeFS.', backup);
  }
};
