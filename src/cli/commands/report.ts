import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CatalogEntry, listBackups } from '../../backup/catalog.ts';
import { proofKey } from '../../backup/layout.ts';
import { readAll } from '../../backup/objects.ts';
import { renderCatalogue } from '../../drill/catalog-page.ts';
import { LifeboatError } from '../../errors.ts';
import type { Store } from '../../stores/store.ts';
import { type Command, isSet, text } from '../command.ts';
import { locate } from '../location.ts';
import { SOURCE_OPTION, STORE_OPTION } from '../options.ts';
import { readableStore } from '../readable-store.ts';

/** Finds the report of the last drill. */
export const report: Command = {
  name: 'report',
  summary: 'find the report of the last drill; --open shows it',
  usage: '',
  positionals: { min: 0, max: 0 },
  options: {
    all: { type: 'boolean', help: 'write a page of all backups and what their drills found' },
    open: { type: 'boolean', help: 'show it in the browser of this machine' },
    ...SOURCE_OPTION,
    ...STORE_OPTION,
  },
  run: async (call) => {
    const store = await readableStore(call);
    if (isSet(call.flags, 'all')) {
      const { path, backups } = await cataloguePage(store, text(call.flags, 'source'), call.io.now());
      if (isSet(call.flags, 'open')) await call.io.open(path);
      return { json: { path, backups }, text: path };
    }
    const { entry, drill, at } = await lastDrill(store, text(call.flags, 'source'));
    const key = proofKey(entry.source, entry.backup, drill, 'html');
    const path = await localCopy(store, key, drill);
    if (isSet(call.flags, 'open')) await call.io.open(path);
    const json = { source: entry.source, backup: entry.backup, drill, at, verdict: entry.proof.state, report: locate(store, key), path };
    return { json, text: path };
  },
};

const cataloguePage = async (store: Store, source: string | undefined, now: Date): Promise<{ path: string; backups: number }> => {
  const entries = await Array.fromAsync(listBackups(store, source));
  const path = join(await mkdtemp(join(tmpdir(), 'lifeboat-report-')), 'backups.html');
  await writeFile(path, renderCatalogue(entries, { store: store.url, now }));
  return { path, backups: entries.length };
};

const lastDrill = async (store: Store, source: string | undefined): Promise<{ entry: CatalogEntry; drill: string; at: string }> => {
  let last: { entry: CatalogEntry; drill: string; at: string } | undefined;
  for await (const entry of listBackups(store, source)) {
    const { drill, at } = entry.proof;
    if (drill === undefined || at === undefined) continue;
    if (last === undefined || Date.parse(at) >= Date.parse(last.at)) last = { entry, drill, at };
  }
  if (last !== undefined) return last;
  throw new LifeboatError('NoSuchBackup', `no backup${source === undefined ? '' : ` of ${source}`} in ${store.url} was drilled`, {
    hint: '`lifeboat drill <source>` drills the latest one.',
  });
};

/** A store in a folder has it as a file; of any other, a copy is made. */
const localCopy = async (store: Store, key: string, drill: string): Promise<string> => {
  if (store.url.startsWith('file://')) return locate(store, key);
  const html = await readAll(store, key);
  if (html === undefined) throw new LifeboatError('NoSuchObject', `no report ${key} in ${store.url}`);
  const path = join(await mkdtemp(join(tmpdir(), 'lifeboat-report-')), `${drill}.html`);
  await writeFile(path, html);
  return path;
};
