import { LifeboatError } from '../errors.ts';
import { systemFromUrl } from '../sources/registry.ts';
import type { System } from '../sources/system.ts';
import type { Environment, SourceEntry, TargetEntry } from './environment.ts';
import { NAME_PATTERN } from './schema.ts';
import { controlBelow, resolveStore } from './store-url.ts';

/** Length of a source's name, as NAME_PATTERN has it. */
const NAME_MAX_LENGTH = 40;

/** Names of the targets that `--to` and `--scratch` make. */
export const TO = 'to';
export const SCRATCH = 'scratch';

/** What the command line gives in place of an environment's systems. All are URLs but `sourceName`. */
export interface Overrides {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly scratch?: string | undefined;
  readonly sourceName?: string | undefined;
}

/** An environment of nothing but URLs; a relative store is below `root`, the working directory. Fails with Usage. */
export const adhoc = (given: Overrides & { readonly store: string }, root: string): Environment => {
  const store = resolveStore(given.store, root);
  return override({ name: 'adhoc', root, store, control: controlBelow(store), sources: {}, targets: {} }, given);
};

/** Adds the source of `--from` and the targets of `--to` and `--scratch` to an environment. */
export const override = (environment: Environment, given: Overrides): Environment => {
  const sources: Record<string, SourceEntry> = { ...environment.sources };
  const targets: Record<string, TargetEntry> = { ...environment.targets };
  if (given.to !== undefined) targets[TO] = entryOf(systemFromUrl(given.to));
  if (given.scratch !== undefined) targets[SCRATCH] = entryOf(systemFromUrl(given.scratch));
  if (given.from !== undefined) sources[sourceNameOf(given.from, given.sourceName)] = entryOf(systemFromUrl(given.from));
  return { ...environment, sources, targets };
};

/** The name of the source of `--from`: the one that was given, or one made of its URL. */
export const sourceNameOf = (from: string, given?: string): string =>
  given === undefined ? nameOf(from, systemFromUrl(from)) : checkName(given);

/** `<kind>-<last path part>` of the URL of a source, made into a name: `postgres-openmetadata_db` is `postgres-openmetadata-db`. */
export const nameOf = (url: string, system: Pick<System, 'kind'>): string => {
  const path = /^[^:]+:\/\/[^/?#]*([^?#]*)/.exec(url)?.[1] ?? '';
  const last = path
    .split('/')
    .filter((part) => part !== '')
    .at(-1);
  const name = [system.kind, ...(last === undefined ? [] : [last])]
    .join('-')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, NAME_MAX_LENGTH)
    .replace(/^-+|-+$/g, '');
  return checkName(name);
};

export const checkName = (name: string): string => {
  if (NAME_PATTERN.test(name)) return name;
  throw new LifeboatError('Usage', `not a name for a source: ${name}`, { hint: 'A name is a-z, 0-9 and -, at most 40 characters.' });
};

const entryOf = (system: System): TargetEntry => ({ kind: system.kind, address: system.address });
