import { type CatalogEntry, listBackups, listSources } from '../../backup/catalog.ts';
import type { Call, Command } from '../command.ts';
import { age, count, plural, size, table } from '../format.ts';
import { STORE_OPTION } from '../options.ts';
import { pickSource } from '../pick.ts';
import { readableStore } from '../readable-store.ts';
import type { Style } from '../style.ts';
import { entryJson, holdingOf, isBeyondHorizon } from '../summary.ts';
import { paintProof, proofWords } from '../words.ts';

const HEADER = ['BACKUP', 'AGE', 'SOURCE', 'SIZE', 'ROWS', 'CONSISTENCY', 'PROOF'];
const RIGHT = [3, 4];
const PROOF_COLUMN = 6;
/** Where any backup has words of its product. */
const HOLDS = 'HOLDS';

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
  const holds = rows.some((cells) => cells.length > HEADER.length) ? [HOLDS] : [];
  return [table([...HEADER, ...holds], rows, { right: RIGHT, paint }), ...beyond(entries, now).map((line) => style.warn(line))].join('\n');
};

/** One line a source whose older backups point at what may be gone. */
const beyond = (entries: readonly CatalogEntry[], now: Date): string[] => {
  const old = entries.filter((entry) => entry.state === 'sound').filter((entry) => isBeyondHorizon(entry, now));
  return [...Map.groupBy(old, ({ source }) => source)].map(
    ([source, found]) =>
      `\n${plural(found.length, 'backup')} of ${source} up to ${found.at(-1)?.backup} ${found.length === 1 ? 'is' : 'are'} beyond the horizon: ${found.at(-1)?.manifest.horizon?.why}.`,
  );
};

const row = (entry: CatalogEntry, now: Date): string[] => {
  const when = age(new Date(entry.state === 'sound' ? entry.manifest.pointInTime.at : entry.recordedAt), now);
  if (entry.state === 'broken')
    return [entry.backup, when, entry.source, '', '', 'BROKEN', `${entry.problem.code}: ${entry.problem.message}`];
  const { bytes, rows, manifest, proof } = entry;
  const holding = holdingOf(entry);
  const all = size(bytes + (holding?.poolBytes ?? 0));
  const cells = [entry.backup, when, entry.source, all, count(rows), manifest.pointInTime.consistency, proofWords(proof, now)];
  return holding === undefined ? cells : [...cells, holding.words];
};

const paintLast = (entry: CatalogEntry | undefined, cell: string, style: Style): string =>
  entry?.state === 'sound' ? paintProof(style, entry.proof.state, cell) : style.bad(cell);
