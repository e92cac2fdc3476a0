import type { SoundEntry } from '../../backup/catalog.ts';
import { backupPrefix } from '../../backup/layout.ts';
import { segmentSource } from '../../backup/segments.ts';
import type { Json } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import { kindNamed } from '../../sources/registry.ts';
import type { AnyKind } from '../../sources/system.ts';
import { UsageError } from '../arguments.ts';
import { type FileFacts, verifyFile } from '../artifact-file.ts';
import { type Call, type Command, isSet, type Outcome, text } from '../command.ts';
import { block, count, plural, size, table } from '../format.ts';
import { SOURCE_OPTION, STORE_OPTION } from '../options.ts';
import { isBackupName, pickBackup } from '../pick.ts';
import { readableStore } from '../readable-store.ts';

/** Names of a folder that are shown at once unless `--limit` says otherwise, and at most: they are held in memory. */
const NAMES_SHOWN = 1000;
const NAMES_MAX = 100_000;

/** Shows what is inside a backup: classes and segments of the manifest, without a segment; or one folder, out of the segments that hold it. */
export const inspect: Command = {
  name: 'inspect',
  summary: 'show what is inside a backup or a file: classes, segments, a folder',
  usage: '<backup>|latest|<file>',
  positionals: { min: 1, max: 1 },
  options: {
    path: {
      type: 'string',
      value: '<p>',
      help: 'a folder or file of the volume (JuiceFS); else classes and segments that begin with this',
    },
    after: { type: 'string', value: '<name>', help: 'with --path: names of the folder after this one' },
    limit: { type: 'string', value: '<n>', help: `with --path: how many of them (default ${NAMES_SHOWN})` },
    sum: { type: 'boolean', help: 'with --path: also add up all that is below it' },
    ...SOURCE_OPTION,
    ...STORE_OPTION,
  },
  run: async (call) => {
    const name = call.positionals[0] ?? '';
    const path = text(call.flags, 'path') ?? '';
    if (!isBackupName(name)) return inspectFile(await verifyFile(name, call.io.cwd, call.run), name, path);
    const entry = await pickBackup(call, name);
    const { manifest, source, backup } = entry;
    const { browse } = kindNamed(manifest.source.kind);
    if (path !== '' && browse !== undefined) return inspectPath(call, entry, path, browse);
    const classes = manifest.digests
      .filter((digest) => digest.name.startsWith(path))
      .map(({ name, rows, digest, shape }) => ({ name, rows, digest, shape }));
    const segments = manifest.segments
      .filter((segment) => path === '' || mentions(segment.context, path) || segment.key.startsWith(path))
      .map(({ context, ...segment }) => ({ ...segment, context: context ?? null }));
    if (path !== '' && classes.length === 0 && segments.length === 0)
      throw new LifeboatError('NoSuchObject', `nothing in backup ${backup} begins with ${path}`, {
        hint: 'Without --path, inspect shows everything.',
      });
    const lines = [
      `backup ${backup} of ${source}: ${plural(classes.length, 'class', 'classes')}, ${plural(segments.length, 'segment')}`,
      '',
      table(
        ['CLASS', 'ROWS', 'DIGEST'],
        classes.map((digest) => [digest.name, count(digest.rows), digest.digest]),
        { right: [1] },
      ),
      '',
      table(
        ['SEGMENT', 'ROLE', 'SIZE', 'RAW', 'SHA256'],
        segments.map((segment) => [
          segment.ordinal,
          segment.role,
          size(segment.bytes),
          size(segment.rawBytes),
          segment.sha256.slice(0, 16),
        ]),
        { right: [2, 3] },
      ),
    ];
    return { json: { source, backup, file: null, classes, segments }, text: lines.join('\n') };
  },
};

const inspectPath = async (call: Call, entry: SoundEntry, path: string, browse: NonNullable<AnyKind['browse']>): Promise<Outcome> => {
  const { manifest, source, backup } = entry;
  const read = segmentSource(await readableStore(call), backupPrefix(source, backup));
  const request = {
    path,
    after: text(call.flags, 'after'),
    limit: limitOf(text(call.flags, 'limit')),
    sum: isSet(call.flags, 'sum'),
    signal: call.run.signal,
  };
  const { contents, facts, table: names, notes } = await browse(manifest, read, request);
  const lines = [
    `backup ${backup} of ${source}`,
    block(facts),
    ...(names === undefined ? [] : ['', table(names.header, names.rows, { right: names.right })]),
    ...(notes.length === 0 ? [] : ['', ...notes]),
  ];
  return { json: { source, backup, file: null, ...contents }, text: lines.join('\n') };
};

const limitOf = (given: string | undefined): number => {
  if (given === undefined) return NAMES_SHOWN;
  const limit = /^\d{1,6}$/.test(given) ? Number(given) : 0;
  if (limit >= 1 && limit <= NAMES_MAX) return limit;
  throw new UsageError(`not a number of names: ${given.slice(0, 20)}`, `From 1 to ${NAMES_MAX}; --after goes on behind them.`, inspect);
};

/** Whether a segment's context names something that begins with the path: a table, a folder, an index. */
const mentions = (context: Json | undefined, path: string): boolean => {
  if (typeof context === 'string') return context.startsWith(path);
  if (typeof context !== 'object' || context === null) return false;
  return Object.values(context).some((value) => mentions(value, path));
};

const inspectFile = (facts: FileFacts, file: string, path: string): Outcome => {
  if (path !== '') throw new UsageError('--path needs a backup', 'What is inside a file of this kind is for its own tools.', inspect);
  const { format, encoding, bytes, rawBytes, sha256, contents, warnings } = facts;
  const lines = [
    `${file}: ${format}, ${size(bytes)} (${encoding}), ${size(rawBytes)} decoded`,
    ...Object.entries(contents ?? {}).map(([name, value]) => `    ${name}: ${shown(value)}`),
    ...warnings.map((warning) => `    ! ${warning}`),
  ];
  return {
    json: { source: null, backup: null, file, format, encoding, bytes, rawBytes, sha256, contents, warnings },
    text: lines.join('\n'),
  };
};

/** A list has a line of its own for each item. */
const shown = (value: Json): string => {
  if (Array.isArray(value)) return value.map((item) => `\n        ${shown(item)}`).join('') || 'none';
  if (typeof value !== 'object' || value === null) return String(value ?? 'none');
  return Object.entries(value)
    .map(([name, item]) => `${name} ${shown(item)}`)
    .join(', ');
};
