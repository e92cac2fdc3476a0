import { z } from 'zod';
import { LifeboatError } from '../errors.ts';
import { parseJson } from '../json.ts';
import type { Budget } from '../sources/contract.ts';
import { listBackups } from './catalog.ts';
import { backupPrefix, objectsPrefix } from './layout.ts';
import type { Runtime } from './runtime.ts';
import { segmentSource } from './segments.ts';
import type { Manifest, Segment } from './types.ts';

/** Younger objects may belong to a backup that is being made, or that was made of copies which an older one left: in milliseconds. */
const SWEEP_AFTER_MS = 7 * 24 * 60 * 60 * 1000;

/** Keys of the pool that are looked for together, some hundred bytes each; every inventory that may name one is read once for them. */
const PASS_KEYS = 200_000;

const LINE_MAX_BYTES = 64 * 1024;

/** What an inventory of pool objects says of itself: its smallest and largest key. */
const PoolContext = z.object({ kind: z.literal('objects'), first: z.string(), last: z.string() });
const Line = z.object({ key: z.string() });

interface Inventory {
  readonly manifest: Manifest;
  readonly segment: Segment;
  readonly first: string;
  readonly last: string;
}

export interface Swept {
  readonly objects: number;
  readonly bytes: number;
  readonly done: boolean;
}

/**
 * Removes objects of a source's pool that no backup names any more. The caller holds the source's lease; `guard` fails when it does
 * not. With a manifest that cannot be read, or with none at all, nothing is removed.
 */
export const sweepPool = async (runtime: Runtime, source: string, guard: () => Promise<void>, budget: Budget): Promise<Swept> => {
  const inventories = await inventoriesOf(runtime, source);
  if (inventories === undefined) return { objects: 0, bytes: 0, done: true };
  const prefix = objectsPrefix(source);
  const before = runtime.now().getTime() - SWEEP_AFTER_MS;
  let [objects, bytes] = [0, 0];
  let pass = new Map<string, number>();
  const sweep = async (): Promise<boolean> => {
    await unmark(runtime, inventories, pass);
    await guard();
    for (const [key, size] of pass) {
      await runtime.store.delete(prefix + key);
      objects += 1;
      bytes += size;
      if (budget.remaining() <= 0) return false;
    }
    pass = new Map();
    return true;
  };
  for await (const { key, bytes: size, modified } of runtime.store.list(prefix)) {
    if (modified.getTime() > before) continue;
    pass.set(key.slice(prefix.length), size);
    if (pass.size >= PASS_KEYS && !(await sweep())) return { objects, bytes, done: false };
  }
  const done = pass.size === 0 || (await sweep());
  return { objects, bytes, done };
};

/** Undefined where it is not known what is still needed. */
const inventoriesOf = async (runtime: Runtime, source: string): Promise<readonly Inventory[] | undefined> => {
  const found: Inventory[] = [];
  let backups = 0;
  for await (const entry of listBackups(runtime.store, source)) {
    if (entry.state !== 'sound') {
      runtime.report({ type: 'warning', message: `nothing is swept: the manifest of ${entry.backup} cannot be read` });
      return undefined;
    }
    backups += 1;
    for (const segment of entry.manifest.segments) {
      const context = PoolContext.safeParse(segment.context);
      if (segment.role === 'inventory' && context.success) found.push({ manifest: entry.manifest, segment, ...context.data });
    }
  }
  return backups === 0 ? undefined : found;
};

/** Takes from `pass`, which is in order, what an inventory names. */
const unmark = async (runtime: Runtime, inventories: readonly Inventory[], pass: Map<string, number>): Promise<void> => {
  const keys = [...pass.keys()];
  const [first = '', last = ''] = [keys[0], keys.at(-1)];
  for (const { manifest, segment, ...bounds } of inventories) {
    if (pass.size === 0) return;
    if (bounds.last < first || bounds.first > last) continue;
    for await (const key of keysOf(runtime, manifest, segment)) pass.delete(key);
  }
};

async function* keysOf(runtime: Runtime, manifest: Manifest, segment: Segment): AsyncGenerator<string> {
  const read = segmentSource(runtime.store, backupPrefix(manifest.source.name, manifest.backup));
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of read.read(segment)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LINE_MAX_BYTES)
      throw new LifeboatError('ManifestInvalid', `segment ${segment.key} of ${manifest.backup} is no inventory`);
    for (const line of lines) yield Line.parse(parseJson(line)).key;
  }
  if (rest !== '') yield Line.parse(parseJson(rest)).key;
}
