import { runPrefix } from './layout.ts';

/** Keys of short-lived records in the control area, all below the run (backup, restore or drill) that they belong to. */
export const runKey = (source: string, backup: string): string => `${runPrefix(source, backup)}run.json`;
export const restoreKey = (source: string, restore: string): string => `${runPrefix(source, restore)}restore.json`;
export const auditKey = (source: string, restore: string): string => `${runPrefix(source, restore)}audit.json`;
export const phasesKey = (source: string, restore: string): string => `${runPrefix(source, restore)}phases.json`;
export const drillKey = (source: string, drill: string): string => `${runPrefix(source, drill)}drill.json`;
export const drillManifestKey = (source: string, drill: string, backup: string): string =>
  `${runPrefix(source, drill)}manifest.${backup}.json`;
export const controlKey = (source: string, drill: string): string => `${runPrefix(source, drill)}control.json`;
/** When the janitor discarded the scratch target of a drill for the first time. */
export const discardedKey = (source: string, drill: string): string => `${runPrefix(source, drill)}discarded.json`;
export const failuresPrefix = (source: string, run: string): string => `${runPrefix(source, run)}failures/`;
/** Where the Maps of a run write their results; nobody reads them but people. */
export const resultsPrefix = (source: string, run: string): string => `${runPrefix(source, run)}map-results`;
