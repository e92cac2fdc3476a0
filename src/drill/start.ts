import { type CatalogEntry, findBackup, listBackups } from '../backup/catalog.ts';
import { backupId } from '../backup/id.ts';
import type { Runtime } from '../backup/runtime.ts';
import { chooseBackup, type Selection } from './choose.ts';
import { type DrillRecord, readDrill, writeDrill } from './record.ts';

export interface ChooseInput {
  readonly source: string;
  /** An id or `latest`; null lets the selection decide. */
  readonly backup: string | null;
  readonly selection: Selection | undefined;
  readonly scratch: string | null;
  readonly seed: number | null;
  readonly execution: string;
  readonly startedAt: string;
}

/** Picks the backup and writes down what this drill is. A repeated step answers what the first one decided. */
export const startDrill = async (runtime: Runtime, input: ChooseInput): Promise<DrillRecord> => {
  const drill = backupId(new Date(input.startedAt), input.execution);
  const seed = input.seed ?? Number.parseInt(drill.slice(-4), 16);
  const { entry, why } =
    input.backup === null
      ? chooseBackup(await sealedBackups(runtime, input.source), input.selection, seed)
      : { entry: await findBackup(runtime.store, input.backup, input.source), why: `asked for by name: ${input.backup}` };
  await writeDrill(runtime, {
    drill,
    source: entry.source,
    backup: entry.backup,
    why,
    seed,
    scratch: input.scratch,
    execution: input.execution,
    startedAt: input.startedAt,
  });
  const record = await readDrill(runtime, entry.source, drill);
  await keepManifest(runtime, record, record.backup === entry.backup ? entry.manifest : await manifestOf(runtime, record));
  return record;
};

const sealedBackups = async (runtime: Runtime, source: string): Promise<readonly CatalogEntry[]> => {
  const entries: CatalogEntry[] = [];
  for await (const entry of listBackups(runtime.store, source)) entries.push(entry);
  return entries;
};
