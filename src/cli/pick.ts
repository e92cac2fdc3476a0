import { findBackup, listSources, type SoundEntry } from '../backup/catalog.ts';
import { parseBackupId } from '../backup/id.ts';
import type { Environment, SourceEntry } from '../environment/environment.ts';
import { LifeboatError } from '../errors.ts';
import { type Call, text } from './command.ts';
import { readableStore } from './readable-store.ts';
import { nearest } from './suggest.ts';

const LATEST = 'latest';

/** Whether a word names a backup, and not a file. */
export const isBackupName = (word: string): boolean => word === LATEST || parseBackupId(word) !== undefined;

/** The backup that `<backup>|latest` and `--source` name. Fails with NoSuchBackup, or with Usage where that says too little. */
export const pickBackup = async (call: Call, name: string): Promise<SoundEntry> => {
  if (isBackupName(name)) return findBackup(await readableStore(call), name, text(call.flags, 'source'));
  throw new LifeboatError('NoSuchBackup', `not a backup id: ${name}`, { hint: '"lifeboat list" shows the ids; latest is one, too.' });
};

/** The source of `<source>`; without it, the only one of the environment, or of the store in an environment of URLs. */
export const pickSource = async (call: Call, name: string | undefined): Promise<string> => {
  const environment = await call.environment();
  const known = Object.keys(environment.sources);
  const choices = known.length > 0 ? known : await listSources(await readableStore(call));
  if (name !== undefined) {
    if (choices.includes(name)) return name;
    throw unknownSource(name, environment, choices);
  }
  const [only, ...others] = choices;
  if (only !== undefined && others.length === 0) return only;
  const hint = only === undefined ? 'Add one to the environment, or give --from <url>.' : `Say which: ${choices.join(', ')}.`;
  throw new LifeboatError('Usage', 'no source given', { hint });
};

/** The source as its environment has it. Fails with UnknownSource. */
export const sourceEntry = (environment: Environment, name: string): SourceEntry => {
  const entry = environment.sources[name];
  if (entry === undefined) throw unknownSource(name, environment, Object.keys(environment.sources));
  return entry;
};

const unknownSource = (name: string, environment: Environment, choices: readonly string[]): LifeboatError => {
  const near = nearest(name, choices);
  const list = choices.length === 0 ? 'It has none.' : `There is ${choices.join(', ')}.`;
  return new LifeboatError('UnknownSource', `no source ${name} in environment ${environment.name}`, {
    hint: near === undefined ? list : `Did you mean ${near}?`,
  });
};
