import type { Json } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import { UsageError } from '../arguments.ts';
import { type FileFacts, verifyFile } from '../artifact-file.ts';
import { type Command, type Outcome, text } from '../command.ts';
import { count, plural, size, table } from '../format.ts';
import { SOURCE_OPTION, STORE_OPTION } from '../options.ts';
import { isBackupName, pickBackup } from '../pick.ts';

/** Shows what is inside a backup without reading its segments: classes and segments of the manifest. */
export const inspect: Command = {
  name: 'inspect',
  summary: 'show what is inside a backup or a file: classes, segments',
  usage: '<backup>|latest|<file>',
  positionals: { min: 1, max: 1 },
  options: {
    path: { type: 'string', value: '<p>', help: 'only classes and segments whose name begins with this' },
    ...SOURCE_OPTION,
    ...STORE_OPTION,
  },
  run: async (call) => {
    const name = call.positionals[0] ?? '';
    const path = text(call.flags, 'path') ?? '';
    if (!isBackupName(name)) return inspectFile(await verifyFile(name, call.io.cwd, call.run), name, path);
    const { manifest, source, backup } = await pickBackup(call, name);
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
