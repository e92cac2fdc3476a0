import { existsSync } from 'node:fs';
import { z } from 'zod';
import { type RestoreInput, restoreInput, segmentAt } from '../../backup/restore-input.ts';
import type { Segment } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { Loaded, LoadOptions, Part, Services, Stage, Target, TargetFacts, TaskContext } from '../contract.ts';
import { type JuicefsAddress, pathOf, placeOf } from './address.ts';
import { auditStage } from './audit.ts';
import { closing, openWriter } from './engines/open.ts';
import { removeSqlite } from './engines/sqlite.ts';
import { FINISH_STEPS, type FinishStep, type Writer } from './engines/writer.ts';
import { readHeadToLoad, startOf, treeSegments } from './restore-input.ts';
import { discardStage, makeScratch, scratchExists } from './scratch.ts';
import { tamperWith } from './tamper.ts';
import { loadEntries } from './write/entries.ts';
import { loadDump } from './write/load.ts';

/** An engine that a backup, or a dump of juicefs, is restored into. */
export const juicefsTarget = (address: JuicefsAddress, services: Services): Target => ({
  inspect: () => inspectTarget(address, services),
  stages: [
    prepareStage(address, services),
    loadStage(address, services),
    ...FINISH_STEPS.map((step) => finishStage(address, services, step)),
    publishStage(address, services),
  ],
  loadArtifact: (artifact, options) => loadFile(address, services, artifact, options),
  audit: auditStage(address, services),
  tamper: (_manifest, seed) => tamperWith(address, services, seed),
  discard: discardStage(address, services),
});

const withWriter = <Result>(address: JuicefsAddress, services: Services, use: (writer: Writer) => Promise<Result>): Promise<Result> =>
  closing(openWriter(address, services), use);

/** A SQLite file that was made for a load goes with it when it fails. */
const loadFile = async (
  address: JuicefsAddress,
  services: Services,
  artifact: AsyncIterable<Uint8Array>,
  options: LoadOptions,
): Promise<Loaded> => {
  const path = address.engine === 'sqlite3' ? pathOf(address, services.temporary) : undefined;
  const isNew = path !== undefined && !existsSync(path);
  try {
    return await withWriter(address, services, (writer) => loadDump(writer, artifact, options, services.now()));
  } catch (error) {
    if (isNew) removeSqlite(path);
    throw error;
  }
};

const inspectTarget = async (address: JuicefsAddress, services: Services): Promise<TargetFacts> => {
  const facts = {
    product: 'JuiceFS',
    version: address.engine,
    place: placeOf(address, services.temporary),
    content: '',
    bytes: 0,
    problems: [],
  };
  if (!(await scratchExists(address, services))) return { ...facts, empty: true };
  return withWriter(address, services, async (writer) => {
    const marker = await writer.marker();
    const empty = marker === undefined && (await writer.occupant()) === undefined;
    return { ...facts, empty, ...(marker === undefined ? {} : { unfinished: marker.restore }) };
  });
};

const single = (name: string, run: (context: TaskContext) => Promise<Part>): Stage => ({
  name,
  mode: 'independent',
  async *plan() {
    yield { task: {} };
  },
  run: (_task, context) => run(context),
});

const NOTHING: Part = { segments: [], digests: [] };

const prepareStage = (address: JuicefsAddress, services: Services): Stage =>
  single('prepare', async (context) => {
    const input = restoreInput(context);
    if (input.scratch) await makeScratch(address, services);
    await withWriter(address, services, (writer) => take(writer, input, placeOf(address, services.temporary), services.now()));
    return NOTHING;
  });

/** Marks the target as ours, if it may be. */
const take = async (writer: Writer, input: RestoreInput, place: string, now: Date): Promise<void> => {
  const { restore, manifest, overwrite } = input;
  const samePlace = place === manifest.source.place;
  if (samePlace && overwrite)
    throw new LifeboatError('TargetIsSource', 'the target is the engine that the backup was made of; it is never overwritten', {
      hint: 'Restore into another engine, and let the clients change over to it.',
    });
  const marker = await writer.marker();
  if (marker !== undefined && marker.restore !== restore && !overwrite)
    throw new LifeboatError('TargetUnusable', `the target holds a restore that did not end: ${marker.restore}, begun ${marker.since}`, {
      hint: 'Run that restore again to go on with it, or restore with --overwrite.',
    });
  if (overwrite && marker?.restore !== restore) await writer.clear();
  else if (marker === undefined) {
    const found = await writer.occupant();
    if (found !== undefined)
      throw new LifeboatError(samePlace ? 'TargetIsSource' : 'TargetNotEmpty', `the target is not empty: ${found}`, {
        hint: 'Restore into an empty engine, or with --overwrite.',
      });
  }
  await writer.begin(restore, now.toISOString());
};

const requireMarker = async (writer: Writer, restore: string): Promise<void> => {
  const marker = await writer.marker();
  if (marker?.restore === restore) return;
  throw new LifeboatError(
    'TargetUnusable',
    marker === undefined ? 'the target has no marker of this restore' : `the target is marked by ${marker.restore}`,
    {
      hint: 'Something else changed the target meanwhile; restore into an empty one.',
    },
  );
};

const LoadTaskSchema = z.strictObject({ ordinal: z.string() });

/** One task a segment. Names and inodes that are there stay as they are, so a task that was killed is simply run again. */
const loadStage = (address: JuicefsAddress, services: Services): Stage => ({
  name: 'load',
  mode: 'independent',
  async *plan(context) {
    for (const { ordinal } of treeSegments(restoreInput(context).manifest)) yield { task: { ordinal } };
  },
  async run(task, context) {
    const { restore, manifest } = restoreInput(context);
    const { ordinal } = LoadTaskSchema.parse(task);
    const segment = segmentAt(manifest, ordinal);
    const rows = await withWriter(address, services, async (writer) => {
      await requireMarker(writer, restore);
      return loadSegment(writer, segment, context);
    });
    return { ...NOTHING, facts: { rows } };
  },
});

const loadSegment = async (writer: Writer, segment: Segment, context: TaskContext): Promise<number> => {
  // All of it before the first row: a segment that was changed in the store must not be half loaded.
  const held = await Array.fromAsync(context.read.read(segment));
  let rows = 0;
  await loadEntries(writer, held, {
    start: startOf(segment),
    signal: context.budget.signal,
    progress({ read, bytes }) {
      rows += read;
      context.progress({ rows: read, bytes, what: segment.ordinal });
    },
  });
  // What a receipt tells of must not be lost with the server's last second.
  await writer.settle?.();
  return rows;
};

const finishStage = (address: JuicefsAddress, services: Services, step: FinishStep): Stage =>
  single(`finish-${step}`, async (context) => {
    const head = await readHeadToLoad(context);
    await withWriter(address, services, async (writer) => {
      await requireMarker(writer, restoreInput(context).restore);
      await writer.finish(step, head, services.now());
    });
    return NOTHING;
  });

/** Run twice, the second time finds no marker: what it had to do is done. */
const publishStage = (address: JuicefsAddress, services: Services): Stage =>
  single('publish', async (context) => {
    const head = await readHeadToLoad(context);
    await withWriter(address, services, async (writer) => {
      if ((await writer.marker()) === undefined && (await writer.occupant()) !== undefined) return;
      await requireMarker(writer, restoreInput(context).restore);
      await writer.publish(head);
    });
    return NOTHING;
  });
