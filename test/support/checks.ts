import { z } from 'zod';
import { type CatalogEntry, listBackups } from '../../src/backup/catalog.ts';
import { decode } from '../../src/backup/codec.ts';
import { backupPrefix, leaseKey } from '../../src/backup/layout.ts';
import { readAll, readJson } from '../../src/backup/objects.ts';
import { segmentSource } from '../../src/backup/segments.ts';
import type { Manifest } from '../../src/backup/types.ts';
import { verifyBackup } from '../../src/backup/verify.ts';
import type { Budget } from '../../src/sources/contract.ts';
import type { Store } from '../../src/stores/store.ts';
import { textOf } from './fake-server.ts';
import { parseLines } from './fake-target.ts';

/** What tests ask of a store after something went wrong. */

export const endless: Budget = { remaining: () => 3_600_000, signal: new AbortController().signal };

export const listed = (store: Store, source?: string): Promise<CatalogEntry[]> => Array.fromAsync(listBackups(store, source));

export const soundManifests = async (store: Store, source?: string): Promise<Manifest[]> =>
  (await listed(store, source)).map((entry) => {
    if (entry.state === 'broken') throw entry.problem;
    return entry.manifest;
  });

/** Fails unless every segment is what the manifest says. */
export const mustVerify = async (store: Store, manifest: Manifest): Promise<void> => {
  const { damages } = await verifyBackup({ store, manifest, decode, budget: endless });
  if (damages.length > 0) throw new Error(`backup ${manifest.backup} is damaged: ${JSON.stringify(damages)}`);
};

/** The content of the artifact of a fake source, as text. */
export const artifactOf = async (store: Store, manifest: Manifest): Promise<string> => {
  const source = segmentSource(store, backupPrefix(manifest.source.name, manifest.backup));
  const chunks: Uint8Array[] = [];
  for (const segment of manifest.segments) for await (const chunk of source.read(segment)) chunks.push(chunk);
  const { content, end } = parseLines(Buffer.concat(chunks).toString('utf8'));
  const rows = [...content.values()].reduce((sum, each) => sum + each.size, 0);
  if (end !== rows) throw new Error(`the artifact of ${manifest.backup} has ${rows} rows and says ${end}`);
  return textOf(content);
};

const LeaseSchema = z.object({ state: z.enum(['held', 'free']), execution: z.string().optional() });

/** Who holds the lease of a source; undefined when nobody does. */
export const leaseHolder = async (control: Store, source: string): Promise<string | undefined> => {
  const value = await readJson(control, leaseKey(source));
  if (value === undefined) return undefined;
  const { state, execution } = LeaseSchema.parse(value);
  return state === 'held' ? execution : undefined;
};

/** Every object of a store, by key. */
export const objectsOf = async (store: Store): Promise<Map<string, string>> => {
  const objects = new Map<string, string>();
  for await (const { key } of store.list('')) objects.set(key, Buffer.from((await readAll(store, key)) ?? []).toString('base64'));
  return objects;
};
