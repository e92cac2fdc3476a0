import type { SoundEntry } from '../../backup/catalog.ts';
import { decode } from '../../backup/codec.ts';
import { objectsPrefix } from '../../backup/layout.ts';
import { objectsBelow } from '../../backup/pool.ts';
import { type Damage, verifyBackup } from '../../backup/verify.ts';
import { exitCodeOf } from '../../errors.ts';
import { kinds } from '../../sources/registry.ts';
import { verifyFile } from '../artifact-file.ts';
import type { Call, Command, Outcome } from '../command.ts';
import { plural, size } from '../format.ts';
import { SOURCE_OPTION, STORE_OPTION } from '../options.ts';
import { isBackupName, pickBackup } from '../pick.ts';

/** Reads a backup, or a file, and checks every byte; restores nothing. */
export const verify: Command = {
  name: 'verify',
  summary: 'read every byte of a backup or a file and check it against its digests',
  usage: '<backup>|latest|<file>',
  positionals: { min: 1, max: 1 },
  options: { ...SOURCE_OPTION, ...STORE_OPTION },
  details: 'Whether a backup restores is another question: `lifeboat drill` answers it.',
  run: async (call) => {
    const name = call.positionals[0] ?? '';
    return isBackupName(name) ? verifyEntry(await pickBackup(call, name), call) : file(name, call);
  },
};

const verifyEntry = async (entry: SoundEntry, call: Call): Promise<Outcome> => {
  const { manifest } = entry;
  call.run.report({ type: 'planned', stage: 'verify', tasks: manifest.segments.length });
  let task = 0;
  const part = await verifyBackup({
    store: await call.store(),
    manifest,
    decode,
    budget: { remaining: () => Number.POSITIVE_INFINITY, signal: call.run.signal },
    onSegment: (segment, damage) => {
      if (damage !== undefined) call.run.report({ type: 'warning', message: describe(damage) });
      call.run.report({ type: 'done', stage: 'verify', rows: 0, bytes: segment.bytes, what: segment.key });
      call.run.report({ type: 'task', stage: 'verify', task: task++, status: 'ended' });
    },
  });
  const { segments, bytes, rawBytes, extra, extraCount } = part;
  const pool = await poolOf(entry, call);
  const damages = [...part.damages, ...pool.damages];
  const ok = damages.length === 0;
  const checked = `${plural(segments, 'segment')}, ${size(bytes)}`;
  const orphans = extraCount === 0 ? [] : [`${plural(extraCount, 'object')} that no manifest names: ignored by every reader, swept later`];
  const lines = ok
    ? [
        `backup ${entry.backup} of ${entry.source}: ${checked}: ${call.style.good('every byte is as it was written')}`,
        ...pool.lines,
        ...orphans,
      ]
    : [
        `backup ${entry.backup} of ${entry.source}: ${checked}: ${call.style.bad(`${plural(damages.length, 'object')} damaged`)}`,
        ...damages.map((damage) => `    ${describe(damage)}`),
        ...orphans,
      ];
  return {
    json: { ok, source: entry.source, backup: entry.backup, file: null, segments, bytes, rawBytes, damages, extra, extraCount },
    text: lines.join('\n'),
    exit: ok ? 0 : exitCodeOf('SegmentMismatch'),
  };
};

/** What the backup names beside its segments, where its kind can prove that without the product. */
const poolOf = async (
  { manifest }: SoundEntry,
  call: Call,
): Promise<{ readonly damages: readonly Damage[]; readonly lines: readonly string[] }> => {
  const kind = kinds.find((each) => each.kind === manifest.source.kind);
  if (kind?.verifyPool === undefined) return { damages: [], lines: [] };
  const pool = objectsBelow(await call.store(), objectsPrefix(manifest.source.name));
  const { summary, flaws } = await kind.verifyPool(manifest, pool, { remaining: () => Number.POSITIVE_INFINITY, signal: call.run.signal });
  const damages = flaws.map(({ key, message }): Damage => ({ kind: 'missing', key: `objects/${key}`, message }));
  for (const damage of damages) call.run.report({ type: 'warning', message: describe(damage) });
  return { damages, lines: [`    ${summary}`] };
};

const describe = (damage: Damage): string => `${damage.key}: ${damage.kind}: ${damage.message}`;

const file = async (path: string, call: Call): Promise<Outcome> => {
  const facts = await verifyFile(path, call.io.cwd, call.run);
  const { format, encoding, bytes, rawBytes, sha256, contents, warnings } = facts;
  const lines = [
    `${path}: whole ${format}, ${size(bytes)} (${encoding}), ${size(rawBytes)} decoded`,
    ...warnings.map((warning) => `    ${call.style.warn(warning)}`),
    `sha256 ${sha256}`,
  ];
  return {
    json: { ok: true, source: null, backup: null, file: path, format, encoding, bytes, rawBytes, sha256, contents, warnings },
    text: lines.join('\n'),
  };
};
