import { LifeboatError } from '../errors.ts';
import { kindNamed, systemFromUrl } from '../sources/registry.ts';
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
  /** Systems of one server, in place of `from` and of what the environment has; each becomes a source of its own name. */
  readonly members?: readonly System[] | undefined;
  /** Sources whose kind can are told to commit first what nobody committed. */
  readonly commit?: boolean | undefined;
}

/** An environment of nothing but URLs; a relative store is below `root`, the working directory. Fails with Usage. */
export const adhoc = (given: Overrides & { readonly store: string }, root: string): Environment => {
  const store = resolveStore(given.store, root);
  return override({ name: 'adhoc', root, store, control: controlBelow(store), sources: {}, targets: {} }, given);
};

/** Names the target of `--to` or `--scratch`: one that the environment has, or else the one that its URL makes. */
export const targetNamed = (environment: Environment, given: string, made: typeof TO | typeof SCRATCH): string =>
  environment.targets[given] === undefined ? made : given;

/** The target of a URL. A word that is none is a name that the environment does not have. */
const targetOf = (given: string, { name, targets }: Environment): TargetEntry => {
  const known = Object.keys(targets);
  if (given.includes('://') || known.length === 0) return entryOf(systemFromUrl(given));
  throw new LifeboatError('Usage', `no target ${given} in environment ${name}`, { hint: `There is ${known.join(', ')}; or give a URL.` });
};

/** Adds the source of `--from` and the targets of `--to` and `--scratch` to an environment. */
export const override = (environment: Environment, given: Overrides): Environment => {
  const sources: Record<string, SourceEntry> = given.members === undefined ? { ...environment.sources } : sourcesOf(given.members);
  const targets: Record<string, TargetEntry> = { ...environment.targets };
  if (given.to !== undefined && targets[given.to] === undefined) targets[TO] = targetOf(given.to, environment);
  if (given.scratch !== undefined && targets[given.scratch] === undefined) targets[SCRATCH] = targetOf(given.scratch, environment);
  if (given.members === undefined && given.from !== undefined)
    sources[sourceNameOf(given.from, given.sourceName)] = entryOf(systemFromUrl(given.from));
  if (given.commit === true)
    for (const [name, entry] of Object.entries(sources)) {
      const committing = kindNamed(entry.kind).members?.committing(entry.address);
      if (committing !== undefined) sources[name] = { ...entry, ...entryOf(committing) };
    }
  return { ...environment, sources, targets };
};

/** Fails with Usage where two long names are the same once they are cut. */
const sourcesOf = (members: readonly System[]): Record<string, SourceEntry> => {
  const sources: Record<string, SourceEntry> = {};
  for (const member of members) {
    const name = nameOf(member.redacted, member);
    if (sources[name] !== undefined)
      throw new LifeboatError('Usage', `${member.redacted} and another one would both be called ${name}`, {
        hint: 'Back them up one by one, with --source <name>.',
      });
    sources[name] = entryOf(member);
  }
  return sources;
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
