import { type CatalogEntry, listBackups, listSources } from '../../backup/catalog.ts';
import type { Call, Command } from '../command.ts';
import { age, count, size, table } from '../format.ts';
import { STORE_OPTION } from '../options.ts';
import { pickSource } from '../pick.ts';
import { readableStore } from '../readable-store.ts';
import type { Style } from '../style.ts';
import { entryJson } from '../summary.ts';
import { paintProof, proofWords } from '../words.ts';

const HEADER = ['BACKUP', 'AGE', 'SOURCE', 'SIZE', 'ROWS', 'CONSISTENCY', 'PROOF'];
const RIGHT = [3, 4];
const PROOF_COLUMN = 6;

/** Shows the backups of a store, newest last. */
export const list: Command = {
  name: 'list',
  summary: 'show the backups of a store, newest last',
  usage: '[<source>]',
  positionals: { min: 0, max: 1 },
  options: STORE_OPTION,
  run: async (call) => {
    const store = await readableStore(call);
    const source = await filter(call);
    const entries: CatalogEntry[] = [];
    for await (const entry of listBackups(store, source)) entries.push(entry);
    const json = { store: store.url, source: source ?? null, backups: entries.map(entryJson) };
    if (entries.length === 0) return { json, text: `no backups${source === undefined ? '' : ` of ${source}`} in ${store.url}` };
    return { json, text: render(entries, call) };
  },
};

/** A source that is in the store may have left the environment; one that is in neither is a typo. */
const filter = async (call: Call): Promise<string | undefined> => {
  const [name] = call.positionals;
  if (name === undefined || (await listSources(await call.store())).includes(name)) return name;
  return pickSource(call, name);
};

const render = (entries: readonly CatalogEntry[], { io, style }: Call): string => {
  const now = io.now();
  const rows = entries.map((entry) => row(entry, now));
  const paint = (cell: string, column: number, row: number): string =>
    column === PROOF_COLUMN ? paintLast(entries[row], cell, style) : cell;
  return table(HEADER, rows, { right: RIGHT, paint });
};

const row = (entry: CatalogEntry, now: Date): string[] => {
  const when = age(new Date(entry.state === 'sound' ? entry.manifest.pointInTime.at : entry.recordedAt), now);
  if (entry.state === 'broken')
    return [entry.backup, when, entry.source, '', '', 'BROKEN', `${entry.problem.code}: ${entry.problem.message}`];
  const { bytes, rows, manifest, proof } = entry;
  return [entry.backup, when, entry.source, size(bytes), count(rows), manifest.pointInTime.consistency, proofWords(proof, now)];
};

const paintLast = (entry: CatalogEntry | undefined, cell: string, style: Style): string =>
  entry?.state === 'sound' ? paintProof(style, entry.proof.state, cell) : style.bad(cell);
