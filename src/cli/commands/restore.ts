import { TO, targetNamed } from '../../environment/adhoc.ts';
import { isLifeboatError, LifeboatError } from '../../errors.ts';
import { UsageError } from '../arguments.ts';
import { failedChecks } from '../checks.ts';
import { type Call, type Command, isSet, type Outcome, text } from '../command.ts';
import { duration, plural } from '../format.ts';
import { RUN_OPTIONS, SOURCE_OPTION, STORE_OPTION } from '../options.ts';
import { pickBackup } from '../pick.ts';
import { restoreManifests } from '../restore-manifests.ts';

/** Runs the restore state machine. It never goes to the source by default. */
export const restore: Command = {
  name: 'restore',
  summary: 'restore a backup to a target, and compare every row',
  usage: '<backup>|latest | --manifest <file>…',
  positionals: { min: 0, max: Number.POSITIVE_INFINITY },
  options: {
    to: { type: 'string', value: '<url>', help: 'where to: a URL or a target of the environment (default restore.target of the source)' },
    overwrite: { type: 'boolean', help: 'replace what is in the target' },
    only: { type: 'string', value: 'audit', help: 'restore nothing, only compare the target with the backup' },
    manifest: { type: 'string', value: '<file>', help: 'in place of a backup: a manifest of lakectl or lakefs-refs.py; more may follow' },
    'ignore-storage-id': {
      type: 'boolean',
      help: 'with --manifest: restore to the only storage of the server, whatever the manifest says',
    },
    'ignore-missing-dump': { type: 'boolean', help: 'a backup that is not there is no failure: nothing is restored' },
    'ignore-dump-if-db-exists': { type: 'boolean', help: 'a target that holds something is no failure: it stays as it is' },
    ...SOURCE_OPTION,
    ...RUN_OPTIONS,
    ...STORE_OPTION,
  },
  details: `The target must be empty, unless --overwrite says otherwise.

--manifest restores repositories whose objects are in their namespace already, each to where its manifest says, on the server of
--to (lakefs+https://host), of LAKECTL_*, or of ~/.lakectl.yaml. With one manifest, --to may name repository and namespace, too.
It goes on after a manifest that failed, and ends with its exit code.`,
  run: async (call) => {
    if (text(call.flags, 'manifest') !== undefined) return restoreManifests(call);
    if (isSet(call.flags, 'ignore-storage-id')) throw new UsageError('--ignore-storage-id needs --manifest', '', restore);
    if (call.positionals.length !== 1) throw new UsageError('restore needs one <backup>, or latest', 'See `lifeboat list`.', restore);
    try {
      return await restoreOne(call);
    } catch (error) {
      const why = excuse(call, error);
      if (why === undefined) throw error;
      return { json: { ok: true, skipped: why, checks: [] }, text: `nothing was restored: ${why}` };
    }
  },
};

/** What two flags of meilisearch --import-dump forgive; they work for every kind. */
const excuse = (call: Call, error: unknown): string | undefined => {
  const forgiven =
    (isSet(call.flags, 'ignore-missing-dump') && isLifeboatError(error, 'NoSuchBackup')) ||
    (isSet(call.flags, 'ignore-dump-if-db-exists') && isLifeboatError(error, 'TargetNotEmpty'));
  return forgiven && error instanceof Error ? error.message : undefined;
};

const restoreOne = async (call: Call): Promise<Outcome> => {
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
};

const onlyOf = (call: Call): 'audit' | undefined => {
  const only = text(call.flags, 'only');
  if (only === undefined || only === 'audit') return only;
  throw new LifeboatError('Usage', `unknown part of a restore: ${only}`, { hint: 'It is audit.' });
};

/** Fails with TargetMissing before anything is started. */
const targetOf = async (call: Call, source: string): Promise<string> => {
  const environment = await call.environment();
  const given = text(call.flags, 'to');
  if (given !== undefined) return targetNamed(environment, given, TO);
  const configured = environment.sources[source]?.restore?.target;
  if (configured !== undefined) return configured;
  throw new LifeboatError('TargetMissing', `no target for a restore of ${source}`, {
    hint: 'Say where with --to <url>, or set restore.target of the source in the environment.',
  });
};
