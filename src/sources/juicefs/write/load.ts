import type { Check } from '../../../backup/types.ts';
import { LifeboatError } from '../../../errors.ts';
import type { Loaded, LoadOptions } from '../../contract.ts';
import { FINISH_STEPS, type HeadToLoad, type Writer } from '../engines/writer.ts';
import { boundYoungGeneration } from '../heap.ts';
import { loadEntries } from './entries.ts';
import { headReader } from './head.ts';

/** Who loads without a restore that has a name. */
const DIRECT = 'a load from a file';

/** Reads a whole dump into an engine that has no volume. What was begun is taken back when it fails. */
export const loadDump = async (writer: Writer, artifact: AsyncIterable<Uint8Array>, options: LoadOptions, now: Date): Promise<Loaded> => {
  boundYoungGeneration();
  await makeRoom(writer, options.overwrite);
  await writer.begin(DIRECT, now.toISOString());
  try {
    const { head, rows } = await readInto(writer, artifact, options);
    for (const step of FINISH_STEPS) {
      options.signal.throwIfAborted();
      await writer.finish(step, head, now);
    }
    const checks = await writer.checks();
    refuseBroken(checks);
    await writer.publish(head);
    return { rows: String(rows), checks };
  } catch (error) {
    await writer.clear();
    throw error;
  }
};

/** A load that was killed left its marker, and is simply begun again. */
const makeRoom = async (writer: Writer, overwrite: boolean): Promise<void> => {
  const marker = await writer.marker();
  if (marker !== undefined && marker.restore !== DIRECT && !overwrite)
    throw new LifeboatError('TargetUnusable', `the target holds a restore that did not end: ${marker.restore}, begun ${marker.since}`, {
      hint: 'Run that restore again to go on with it, or load with --overwrite.',
    });
  if (marker !== undefined || overwrite) return writer.clear();
  const found = await writer.occupant();
  if (found !== undefined)
    throw new LifeboatError('TargetNotEmpty', `the target is not empty: ${found}`, {
      hint: 'Load into an empty engine, or with --overwrite.',
    });
};

const readInto = async (
  writer: Writer,
  artifact: AsyncIterable<Uint8Array>,
  { signal, progress }: LoadOptions,
): Promise<{ readonly head: HeadToLoad; readonly rows: number }> => {
  const fields = headReader();
  let trees = 0;
  let rows = 0;
  await loadEntries(writer, artifact, {
    start: { at: 'document' },
    signal,
    field: fields.field,
    root: (tree) => {
      if (tree === 'FSTree') trees++;
    },
    progress({ read, fresh, bytes }) {
      if (fresh !== read)
        throw new LifeboatError('ArtifactInvalid', `${read - fresh} names stand twice in their directories`, {
          hint: 'The dump was changed, or is of another product.',
        });
      rows += read;
      progress({ rows: read, bytes });
    },
  });
  if (trees !== 1)
    throw new LifeboatError('ArtifactInvalid', 'not a JuiceFS dump: it has no FSTree', {
      hint: 'Give a JSON dump of juicefs or lifeboat.',
    });
  return { head: fields.end(), rows };
};

const refuseBroken = (checks: readonly Check[]): void => {
  const broken = checks.filter(({ ok }) => !ok);
  if (broken.length === 0) return;
  throw new LifeboatError(
    'ArtifactInvalid',
    `the dump makes no sound volume: ${broken.map(({ name, actual }) => `${actual} ${name}`).join(', ')}`,
    {
      hint: 'It was changed, or taken while the volume was written to. Nothing was loaded.',
    },
  );
};
