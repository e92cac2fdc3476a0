import { z } from 'zod';
import { ReceiptSchema } from '../../backup/manifest.ts';
import { LifeboatError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import type { Stage } from '../contract.ts';
import { type Item, lookUp } from './copies.ts';
import { contextOf, readInventory } from './inventory.ts';
import { poolOf } from './session.ts';

/** Lines looked up together: held in memory. */
const CHUNK_LINES = 20_000;

const TaskSchema = z.strictObject({ segment: ReceiptSchema.shape.segments.element });

/** Looks again at every object that the backup names, also at those that an earlier one had copied: a sweep may have run since. */
export const sealStage: Stage = {
  name: 'seal',
  mode: 'independent',
  async *plan(context) {
    for await (const { segments } of context.receipts('dump'))
      for (const segment of segments) if (contextOf(segment).kind === 'objects') yield { task: parseJson(JSON.stringify({ segment })) };
  },
  async run(json, context) {
    const { segment } = TaskSchema.parse(json);
    const pool = poolOf(context);
    let items: Item[] = [];
    const check = async (): Promise<void> => {
      for await (const { item, found } of lookUp(pool, items)) if (found?.bytes !== item.bytes) throw gone(pool.url, item, found?.bytes);
      items = [];
    };
    for await (const item of readInventory(context.read, segment)) {
      items.push(item);
      if (items.length >= CHUNK_LINES) await check();
    }
    await check();
    return { segments: [], digests: [] };
  },
};

const gone = (url: string, { key, bytes }: Item, found: number | undefined): LifeboatError =>
  new LifeboatError(
    'BackupIncomplete',
    found === undefined ? `${url}/${key} is not there` : `${url}/${key} has ${found} bytes instead of ${bytes}`,
    {
      hint: 'The store lost or changed an object of the pool. Find out why, remove what is wrong, back up again.',
    },
  );
