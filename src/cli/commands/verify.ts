import type { SoundEntry } from '../../backup/catalog.ts';
import { compareDigests } from '../../backup/digest.ts';
import type { Check } from '../../backup/types.ts';
import { exitCodeOf, LifeboatError } from '../../errors.ts';
import { UsageError } from '../arguments.ts';
import { type FileFacts, verifyFile } from '../artifact-file.ts';
import { failedChecks } from '../checks.ts';
import { type Call, type Command, isSet, type Outcome, text } from '../command.ts';
import { plural, size } from '../format.ts';
import { SOURCE_OPTION, STORE_OPTION } from '../options.ts';
import { isBackupName, pickBackup } from '../pick.ts';
import { describeDamage, verifyStored } from '../verify-backup.ts';

/** Reads a backup, or a file, and checks every byte; restores nothing. */
export const verify: Command = {
  name: 'verify',
  summary: 'read every byte of a backup or a file and check it against its digests',
  usage: '<backup>|latest|<file>',
  positionals: { min: 1, max: 1 },
  options: {
    bytes: { type: 'boolean', help: 'also read every object that was copied as it is (lakeFS), and compare it with its checksum' },
    against: { type: 'string', value: '<backup>', help: 'of a file: also compare rows and content with this backup (Meilisearch)' },
    ...SOURCE_OPTION,
    ...STORE_OPTION,
  },
  details: 'Whether a backup restores is another question: `lifeboat drill` answers it.',
  run: async (call) => {
    const name = call.positionals[0] ?? '';
    if (!isBackupName(name)) return file(name, call);
    if (text(call.flags, 'against') !== undefined)
      throw new UsageError('--against needs a <file>', 'Two backups are compared by `lifeboat diff`.', verify);
    return verifyEntry(await pickBackup(call, name), call);
  },
};

const verifyEntry = async (entry: SoundEntry, call: Call): Promise<Outcome> => {
  const { damages, segments, bytes, rawBytes, extra, extraCount, pool, notMeasured } = await verifyStored(
    entry,
    call,
    isSet(call.flags, 'bytes'),
  );
  const ok = damages.length === 0;
  const checked = `${plural(segments, 'segment')}, ${size(bytes)}`;
  const orphans = extraCount === 0 ? [] : [`${plural(extraCount, 'object')} that no manifest names: ignored by every reader, swept later`];
  const beside = [
    ...(pool === undefined ? [] : [`    ${pool}`]),
    ...notMeasured.map(({ what, why }) => `    ${call.style.warn('NOT MEASURED')}: ${what}: ${why}`),
  ];
  const lines = ok
    ? [
        `backup ${entry.backup} of ${entry.source}: ${checked}: ${call.style.good('every byte is as it was written')}`,
        ...beside,
        ...orphans,
      ]
    : [
        `backup ${entry.backup} of ${entry.source}: ${checked}: ${call.style.bad(`${plural(damages.length, 'object')} damaged`)}`,
        ...damages.map((damage) => `    ${describeDamage(damage)}`),
        ...beside,
        ...orphans,
      ];
  return {
    json: {
      ok,
      source: entry.source,
      backup: entry.backup,
      file: null,
      segments,
      bytes,
      rawBytes,
      damages,
      extra,
      extraCount,
      pool: pool ?? null,
      notMeasured,
    },
    text: lines.join('\n'),
    exit: ok ? (notMeasured.length === 0 ? 0 : exitCodeOf('NotMeasured')) : exitCodeOf('SegmentMismatch'),
  };
};

const file = async (path: string, call: Call): Promise<Outcome> => {
  const against = text(call.flags, 'against');
  const entry = against === undefined ? undefined : await pickBackup(call, against);
  const facts = await verifyFile(path, call.io.cwd, call.run);
  const { format, encoding, bytes, rawBytes, sha256, contents, warnings } = facts;
  const checks = entry === undefined ? undefined : compared(entry, facts);
  const failed = failedChecks(checks ?? [], call.style);
  const lines = [
    `${path}: whole ${format}, ${size(bytes)} (${encoding}), ${size(rawBytes)} decoded`,
    ...warnings.map((warning) => `    ${call.style.warn(warning)}`),
    `sha256 ${sha256}`,
    ...(entry === undefined ? [] : [`against backup ${entry.backup} of ${entry.source}: ${checkWords(checks ?? [], failed, call)}`]),
  ];
  const ok = failed.exit === 0;
  return {
    json: {
      ...{ ok, source: entry?.source ?? null, backup: entry?.backup ?? null, file: path },
      ...{ format, encoding, bytes, rawBytes, sha256, contents, warnings },
      checks: checks ?? null,
    },
    text: lines.join('\n'),
    exit: failed.exit,
  };
};

const checkWords = (checks: readonly Check[], failed: { readonly exit: number; readonly text: string }, { style }: Call): string =>
  failed.exit === 0 ? style.good(`${plural(checks.length, 'check')} passed`) : failed.text;

/** Rows and content of each class. Fails with Unsupported where the format of the file has no classes. */
const compared = ({ manifest }: SoundEntry, { format, digests }: FileFacts): Check[] => {
  if (digests === undefined)
    throw new LifeboatError('Unsupported', `a ${format} cannot be compared with a backup without restoring it`, {
      hint: 'Restore the backup, or drill it.',
    });
  return compareDigests(manifest.digests, digests);
};
