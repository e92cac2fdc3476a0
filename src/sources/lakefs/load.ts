import { z } from 'zod';
import type { Cursor, Services, Stage } from '../contract.ts';
import type { LakefsAddress } from './address.ts';
import { copyMissing, type Item } from './copies.ts';
import { contextOf, readInventory } from './inventory.ts';
import { openTargetNamespace, requireMarker, restoreInput } from './restore-input.ts';
import { poolOf } from './session.ts';

/** Objects looked up and copied together. */
const CHUNK_LINES = 10_000;

const TaskSchema = z.strictObject({ segment: z.int().nonnegative() });
const CursorSchema = z.strictObject({ lines: z.int(), copied: z.int() });

/** Copies what the backup names from the pool into the namespace; what is there already stays. */
export const loadStage = (address: LakefsAddress, services: Services): Stage => ({
  name: 'load',
  mode: 'independent',
  async *plan(context) {
    const { manifest } = restoreInput(context);
    for (const [segment, each] of manifest.segments.entries()) if (contextOf(each).kind === 'objects') yield { task: { segment } };
  },
  async run(json, context, resume) {
    const { manifest, details, restore } = restoreInput(context);
    const segment = manifest.segments[TaskSchema.parse(json).segment];
    if (segment === undefined) throw new RangeError('a task of another plan');
    const objects = await openTargetNamespace(address, services, details);
    await requireMarker(objects, restore);
    let at = resume === undefined ? { lines: 0, copied: 0 } : CursorSchema.parse(JSON.parse(resume));
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
