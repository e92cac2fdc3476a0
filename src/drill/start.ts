import { type CatalogEntry, findBackup, listBackups, type SoundEntry } from '../backup/catalog.ts';
import { backupId } from '../backup/id.ts';
import type { Runtime } from '../backup/runtime.ts';
import { LifeboatError } from '../errors.ts';
import { type Choice, chooseBackup, type Selection } from './choose.ts';
import { type DrillRecord, findDrill, keepManifest, readDrill, writeDrill } from './record.ts';

export interface ChooseInput {
  readonly source: string;
  /** An id or `latest`; null lets the selection decide. */
  readonly backup: string | null;
  readonly selection: Selection | undefined;
  readonly scratch: string | null;
  /** Names the place that a kind of source has for drills where nothing is configured; null where it has none. */
  readonly ownScratch?: (kind: string) => string | null;
  readonly seed: number | null;
  readonly execution: string;
  readonly startedAt: string;
}

/** Picks the backup and writes down what this drill is. A repeated step answers what the first one decided. */
export const startDrill = async (runtime: Runtime, input: ChooseInput): Promise<DrillRecord> => {
  const drill = backupId(new Date(input.startedAt), input.execution);
  const known = await findDrill(runtime, input.source, drill);
  if (known !== undefined) return known;
  const seed = input.seed ?? Number.parseInt(drill.slice(-4), 16);
  const { entry, why } = await choose(runtime, input, seed);
  // First, so that a drill which is written down has it.
  await keepManifest(runtime, input.source, drill, entry.manifest);
  await writeDrill(runtime, {
    drill,
    source: input.source,
    backup: entry.backup,
    why,
    seed,
    scratch: input.scratch ?? input.ownScratch?.(entry.manifest.source.kind) ?? null,
    execution: input.execution,
    startedAt: input.startedAt,
  });
  return readDrill(runtime, input.source, drill);
};

const choose = async (runtime: Runtime, input: ChooseInput, seed: number): Promise<Choice<SoundEntry>> => {
  if (input.backup !== null)
    return { entry: await findBackup(runtime.store, input.backup, input.source), why: `asked for by name: ${input.backup}` };
  const entries: CatalogEntry[] = await Array.fromAsync(listBackups(runtime.store, input.source));
  const { entry, why } = chooseBackup(entries, input.selection, seed);
  if (entry.state === 'broken') throw new LifeboatError('NoSuchBackup', `no backup of ${input.source} can be read`);
  return { entry, why };
};
