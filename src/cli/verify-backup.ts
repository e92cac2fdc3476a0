import type { SoundEntry } from '../backup/catalog.ts';
import { decode } from '../backup/codec.ts';
import { backupPrefix, objectsPrefix } from '../backup/layout.ts';
import { objectsBelow } from '../backup/pool.ts';
import { segmentSource } from '../backup/segments.ts';
import { type Damage, type VerifyPart, verifyBackup } from '../backup/verify.ts';
import { kinds } from '../sources/registry.ts';
import type { Call } from './command.ts';

/** What a backup's own bytes say, and the pool's where it has one. */
export interface Verified extends Pick<VerifyPart, 'damages' | 'segments' | 'bytes' | 'rawBytes' | 'extra' | 'extraCount'> {
  /** What was looked at beside the segments, for people; absent where there is nothing. */
  readonly pool: string | undefined;
  readonly notMeasured: readonly { readonly what: string; readonly why: string }[];
}

/** Reads a backup from end to end; each damage is also a warning at once. `poolBytes`: reads every object of the pool, too. */
export const verifyStored = async (entry: SoundEntry, call: Call, poolBytes: boolean): Promise<Verified> => {
  const { manifest } = entry;
  const budget = { remaining: () => Number.POSITIVE_INFINITY, signal: call.run.signal };
  const warn = (damage: Damage): void => call.run.report({ type: 'warning', message: describeDamage(damage) });
  const store = await call.store();
  call.run.report({ type: 'planned', stage: 'verify', tasks: manifest.segments.length });
  let task = 0;
  const part = await verifyBackup({
    store,
    manifest,
    decode,
    budget,
    onSegment: (segment, damage) => {
      if (damage !== undefined) warn(damage);
      call.run.report({ type: 'done', stage: 'verify', rows: 0, bytes: segment.bytes, what: segment.key });
      call.run.report({ type: 'task', stage: 'verify', task: task++, status: 'ended' });
    },
  });
  const verifyPool = kinds.find(({ kind }) => kind === manifest.source.kind)?.verifyPool;
  if (verifyPool === undefined) return { ...part, pool: undefined, notMeasured: [] };
  const read = segmentSource(store, backupPrefix(manifest.source.name, manifest.backup));
  const pool = objectsBelow(store, objectsPrefix(manifest.source.name));
  const { summary, flaws, notMeasured = [] } = await verifyPool(manifest, pool, { budget, bytes: poolBytes, read });
  const damages = flaws.map(({ key, message, outside }): Damage => ({ kind: 'missing', key: outside ? key : `objects/${key}`, message }));
  for (const damage of damages) warn(damage);
  return { ...part, damages: [...part.damages, ...damages], pool: summary, notMeasured };
};

export const describeDamage = (damage: Damage): string => `${damage.key}: ${damage.kind}: ${damage.message}`;
