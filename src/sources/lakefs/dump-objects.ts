import { z } from 'zod';
import { loadDigest } from '../../backup/digest.ts';
import type { ClassDigest, Segment } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import type { Cursor, Part, TaskContext } from '../contract.ts';
import { copyMissing, type Item } from './copies.ts';
import { addData, addObject, openClass } from './digests.ts';
import { copyExternal, type External, externalKey, inPool } from './external.ts';
import { writeInventory, writeLines } from './inventory.ts';
import { poolKey } from './namespace.ts';
import { poolOf, type Session } from './session.ts';
import { checkTable } from './sst/ident.ts';
import { decodeEntry } from './sst/records.ts';
import { openTable, splitValue } from './sst/table.ts';
import type { DumpFacts } from './tasks.ts';

/** Objects copied and listed together; at a hundred a second well below the time of a function. */
const BATCH_ITEMS = 10_000;

/** Files done, segments written, and objects copied and imported ones looked at of the batch that is begun: they grow, so an invocation that copied got somewhere. */
const CursorSchema = z.strictObject({ file: z.int(), segment: z.int(), copied: z.int(), external: z.int() });

/** Of one batch: what was copied, what was imported, and copies of that. */
const SEGMENTS_EACH = 3;

export interface File {
  readonly id: string;
  readonly kind: 'metaRange' | 'range';
}

interface Batch {
  readonly items: readonly Item[];
  readonly external: readonly External[];
  readonly digests: readonly ClassDigest[];
  readonly next: number;
}

/** Copies metadata files and, for ranges, the objects of their rows into the pool; lists and digests them. */
export const dumpFiles = async (
  session: Session,
  files: readonly File[],
  context: TaskContext,
  resume: Cursor | undefined,
): Promise<Part> => {
  const pool = poolOf(context);
  let at = resume === undefined ? { file: 0, segment: 0, copied: 0, external: 0 } : CursorSchema.parse(parseJson(resume));
  const segments: Segment[] = [];
  const digests: ClassDigest[] = [];
  const total = { objects: 0, bytes: 0, listed: 0, listedBytes: 0, external: 0, externalCopied: 0 };
  const part = (next?: Cursor): Part => ({
    segments,
    digests,
    facts: { copied: total } satisfies DumpFacts,
    ...(next === undefined ? {} : { next: { cursor: next } }),
  });
  while (at.file < files.length) {
    const batch = await readBatch(session, files, at.file, context);
    const items = [...batch.items].sort((a, b) => (a.key < b.key ? -1 : 1));
    const done = await copyMissing(pool, session.objects, items, context.budget, (bytes) =>
      context.progress({ rows: 0, bytes, what: 'objects' }),
    );
    total.objects += done.copied;
    total.bytes += done.bytes;
    if (!done.complete) return part(JSON.stringify({ ...at, copied: at.copied + done.copied }) as Cursor);
    total.listed += items.length;
    total.listedBytes += items.reduce((sum, { bytes }) => sum + bytes, 0);
    const copiedKeys = new Set<string>();
    if (session.openPlace !== undefined && batch.external.length > 0) {
      const copies = await copyExternal(pool, session.openPlace, batch.external, at.external, context.budget);
      total.objects += copies.copied;
      total.bytes += copies.bytes;
      if (copies.at < batch.external.length) return part(JSON.stringify({ ...at, external: copies.at }) as Cursor);
      for (const key of await inPool(pool, batch.external)) copiedKeys.add(key);
    }
    total.external += batch.external.length;
    total.externalCopied += copiedKeys.size;
    if (items.length > 0) segments.push(await writeInventory(context, at.segment * SEGMENTS_EACH, items));
    segments.push(...(await writeExternal(context, at.segment * SEGMENTS_EACH + 1, batch.external, copiedKeys)));
    digests.push(...batch.digests);
    at = { file: batch.next, segment: at.segment + 1, copied: 0, external: 0 };
    if (at.file < files.length && context.budget.remaining() <= 0) return part(JSON.stringify(at) as Cursor);
  }
  return part();
};

const readBatch = async ({ metadata }: Session, files: readonly File[], from: number, context: TaskContext): Promise<Batch> => {
  const factory = await loadDigest();
  const objects = openClass(factory, 'objects');
  const data = openClass(factory, 'data');
  const items = new Map<string, Item>();
  const external = new Map<string, External>();
  let next = from;
  let rows = 0;
  for (; next < files.length && items.size < BATCH_ITEMS; next++) {
    context.budget.signal.throwIfAborted();
    const file = files[next];
    if (file === undefined) break;
    const content = await metadata.read(file.id);
    items.set(metadata.keyOf(file.id), { key: metadata.keyOf(file.id), bytes: content.length });
    checkTable(openTable(content), file.id, (path, value) => {
      if (file.kind !== 'range') return;
      const entry = decodeEntry(splitValue(value).data);
      rows += 1;
      addObject(objects, path, entry);
      if (entry.addressType === 'full') {
        const imported = { address: entry.address, bytes: entry.size, etag: entry.etag };
        external.set(externalKey(imported), imported);
        return;
      }
      const key = poolKey(entry.address);
      const known = items.get(key)?.bytes;
      if (known !== undefined && known !== entry.size)
        throw new LifeboatError('SourceProblem', `two entries give ${entry.address} ${known} and ${entry.size} bytes`, {
          hint: 'The metadata of this repository is damaged.',
        });
      items.set(key, { key, bytes: entry.size, etag: entry.etag });
      addData(data, entry.address, entry.size);
    });
  }
  context.progress({ rows, bytes: 0, what: 'objects' });
  return {
    items: [...items.values()],
    external: [...external.values()],
    digests: files[from]?.kind === 'range' ? [objects.end(), data.end()] : [],
    next,
  };
};

const writeExternal = async (
  context: TaskContext,
  n: number,
  external: readonly External[],
  copied: ReadonlySet<string>,
): Promise<Segment[]> => {
  if (external.length === 0) return [];
  const known = external.map((each) => ({ ...each, key: externalKey(each) })).sort((a, b) => (a.address < b.address ? -1 : 1));
  const lines = known.map(({ address, bytes, key }) => `${JSON.stringify({ address, bytes, ...(copied.has(key) ? { key } : {}) })}\n`);
  const items = known.filter(({ key }) => copied.has(key)).map(({ key, bytes }) => ({ key, bytes }));
  return [
    await writeLines(context, n, lines, { kind: 'external', count: external.length }),
    ...(items.length === 0 ? [] : [await writeInventory(context, n + 1, items, 'imported')]),
  ];
};
