import { z } from 'zod';
import type { SoundEntry } from '../../backup/catalog.ts';
import type { Call, Command } from '../command.ts';
import { age, block, count, duration, plural, size, table } from '../format.ts';
import { SOURCE_OPTION, STORE_OPTION } from '../options.ts';
import { isBackupName, pickBackup } from '../pick.ts';
import { backupJson, holdingOf, isBeyondHorizon, rawBytes, secondsOf } from '../summary.ts';
import { paintProof, proofWords } from '../words.ts';
import { inspect } from './inspect.ts';

/** Shows what is known of one backup: its manifest without segments and buckets, and its proof. */
export const show: Command = {
  name: 'show',
  summary: 'show one backup: instant, sizes, classes, proof',
  usage: '<backup>|latest|<file>',
  positionals: { min: 1, max: 1 },
  options: { ...SOURCE_OPTION, ...STORE_OPTION },
  run: async (call) => {
    const name = call.positionals[0] ?? '';
    // Of a file there is nothing to tell but what is inside.
    if (!isBackupName(name)) return inspect.run(call);
    const entry = await pickBackup(call, name);
    const { manifest } = entry;
    const json = {
      ...backupJson(entry),
      product: manifest.source.product,
      version: manifest.source.version,
      place: manifest.source.place,
      content: manifest.source.content,
      tool: manifest.tool,
      execution: manifest.execution,
      artifact: manifest.artifact,
      manifestSha256: entry.manifestSha256,
      previous: manifest.previous,
      timings: manifest.timings,
      notIncluded: manifest.notIncluded,
      ...secretsJson(entry),
      assertions: manifest.assertions,
      classes: manifest.digests.map(({ name, rows, digest }) => ({ name, rows, digest })),
    };
    return { json, text: render(entry, call) };
  },
};

const render = (entry: SoundEntry, { io, style }: Call): string => {
  const { manifest } = entry;
  const now = io.now();
  const holding = holdingOf(entry);
  const drill = entry.proof.drill === undefined ? '' : ` (drill ${entry.proof.drill})`;
  const at = manifest.pointInTime.at;
  const facts = block([
    ['proof', `${paintProof(style, entry.proof.state, proofWords(entry.proof, now))}${drill}`],
    ['source', `${manifest.source.product} ${manifest.source.version} (${manifest.source.kind})`],
    ['place', manifest.source.place],
    ['point in time', `${at}, ${age(new Date(at), now)} (${manifest.pointInTime.consistency})`],
    ['start/stop', `${manifest.startedAt} / ${manifest.sealedAt} (${duration(secondsOf(entry))})`],
    ['size', `${size(entry.bytes)} stored, ${size(rawBytes(entry))} before compression, ${plural(manifest.segments.length, 'segment')}`],
    ...(holding === undefined
      ? []
      : ([
          ['pool', `${size(holding.poolBytes)} in ${plural(holding.poolObjects, 'object')}, shared by the backups of this source`],
          ['holds', holding.words],
        ] as const)),
    ['content', `${plural(entry.rows, 'row')} in ${plural(manifest.digests.length, 'class', 'classes')}`],
    ['not included', notIncluded(entry)],
    ...(manifest.horizon === undefined
      ? []
      : [['horizon', `${manifest.horizon.at}${isBeyondHorizon(entry, now) ? ', passed' : ''}: ${manifest.horizon.why}`] as const]),
    ...secretsOf(entry),
    ['artifact', manifest.artifact.format],
    ['restore with', manifest.artifact.restoreWith],
    ['made by', manifest.tool],
    ['timings', timings(entry)],
  ]);
  const classes = table(
    ['CLASS', 'ROWS', 'DIGEST'],
    manifest.digests.map(({ name, rows, digest }) => [name, count(rows), digest]),
    { right: [1] },
  );
  const assertions = table(
    ['ASSERTION', 'VALUE'],
    manifest.assertions.map(({ name, value }) => [name, value]),
  );
  const tables = [classes, ...(manifest.assertions.length === 0 ? [] : [assertions])];
  return [style.bold(`backup ${entry.backup} of ${entry.source}`), facts, ...tables.map((lines) => `\n${indented(lines)}`)].join('\n');
};

const notIncluded = ({ manifest }: SoundEntry): string => {
  const left = Object.entries(manifest.notIncluded).filter(([, many]) => many !== '0');
  return left.length === 0 ? 'nothing is left out' : left.map(([what, many]) => `${count(many)} ${what}`).join(', ');
};

/** Of kinds whose artifact may hold secrets; it has kinds and places of them, never a value. */
const SecretsSchema = z.object({ secrets: z.object({ holds: z.array(z.string()), missing: z.array(z.string()) }) });

const secretsJson = ({ manifest }: SoundEntry) => ({ secrets: SecretsSchema.safeParse(manifest.details).data?.secrets ?? null });

const secretsOf = ({ manifest }: SoundEntry): [string, string][] => {
  const parsed = SecretsSchema.safeParse(manifest.details);
  if (!parsed.success) return [];
  const { holds, missing } = parsed.data.secrets;
  return [
    ...(holds.length === 0 ? [] : [['holds secrets', `in clear: ${holds.join(', ')}`] satisfies [string, string]]),
    ...missing.map((place): [string, string] => ['lacks secret', place]),
  ];
};

const timings = ({ manifest }: SoundEntry): string =>
  Object.entries(manifest.timings)
    .map(([phase, seconds]) => `${phase} ${duration(seconds)}`)
    .join(', ') || 'none';

const indented = (lines: string): string => lines.replace(/^/gm, '    ');
