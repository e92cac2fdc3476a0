import { z } from 'zod';
import { parseJson } from '../../json.ts';
import type { Cursor, Services, Stage } from '../contract.ts';
import type { LakefsAddress } from './address.ts';
import { copyMissing, type Item } from './copies.ts';
import { putBack } from './external.ts';
import { contextOf, readInventory } from './inventory.ts';
import { openTargetNamespace, requireMarker, restoreInput } from './restore-input.ts';
import { placeOpener, poolOf } from './session.ts';

/** Objects looked up and copied together. */
const CHUNK_LINES = 10_000;

const TaskSchema = z.strictObject({ segment: z.int().nonnegative() });
const CursorSchema = z.strictObject({ lines: z.int(), copied: z.int() });

/** Copies what the backup names from the pool into the namespace, and imported objects to where they were if told so; what is there stays. */
export const loadStage = (address: LakefsAddress, services: Services): Stage => ({
  name: 'load',
  mode: 'independent',
  async *plan(context) {
    const { manifest, scratch } = restoreInput(context);
    for (const [segment, each] of manifest.segments.entries()) {
      const { kind, of } = contextOf(each);
      // What was imported lies in a place of somebody else's: a drill has no business there.
      const wanted = kind === 'external' ? address.external === 'copy' && !scratch : kind === 'objects' && of !== 'imported';
      if (wanted) yield { task: { segment } };
    }
  },
  async run(json, context, resume) {
    const { manifest, details, restore } = restoreInput(context);
    const segment = manifest.segments[TaskSchema.parse(json).segment];
    if (segment === undefined) throw new RangeError('a task of another plan');
    const objects = await openTargetNamespace(address, services, details);
    await requireMarker(objects, restore);
    if (contextOf(segment).kind === 'external') {
      const open = placeOpener(address, services);
      const { lines = 0 } = resume === undefined ? {} : CursorSchema.parse(parseJson(resume));
      const done = await putBack({ segment, read: context.read, pool: poolOf(context), open }, lines, context.budget);
      const next = done.complete ? {} : { next: { cursor: JSON.stringify({ lines: done.lines, copied: 0 }) as Cursor } };
      return { segments: [], digests: [], facts: { putBack: done.put }, ...next };
    }
    let at = resume === undefined ? { lines: 0, copied: 0 } : CursorSchema.parse(parseJson(resume));
    const begun = at;
    let line = 0;
    let items: Item[] = [];
    const next = (): { cursor: Cursor } => ({ cursor: JSON.stringify(at) as Cursor });
    const copy = async (): Promise<boolean> => {
      const done = await copyMissing(objects, poolOf(context), items, context.budget, (bytes) =>
        context.progress({ rows: 1, bytes, what: 'objects' }),
      );
      at = done.complete ? { lines: at.lines + items.length, copied: 0 } : { ...at, copied: at.copied + done.copied };
      items = [];
      return done.complete;
    };
    for await (const item of readInventory(context.read, segment)) {
      if (line++ < begun.lines) continue;
      items.push(item);
      if (items.length < CHUNK_LINES) continue;
      if (!(await copy()) || context.budget.remaining() <= 0) return { segments: [], digests: [], next: next() };
    }
    if (!(await copy())) return { segments: [], digests: [], next: next() };
    return { segments: [], digests: [] };
  },
});
