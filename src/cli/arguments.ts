import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { LifeboatError } from '../errors.ts';
import type { Command, Flags, Options } from './command.ts';
import { GLOBAL_OPTIONS } from './options.ts';
import { nearest } from './suggest.ts';

export interface Parsed {
  /** Absent when only help was asked for, or nothing at all. */
  readonly command: Command | undefined;
  readonly flags: Flags;
  readonly positionals: readonly string[];
}

/** A mistyped command line; `command` is what the usage line is about. */
export class UsageError extends LifeboatError {
  readonly command: Command | undefined;

  constructor(message: string, hint: string, command: Command | undefined) {
    super('Usage', message, { hint });
    this.command = command;
  }
}

/** Reads `lifeboat [flags] <command> [arguments] [flags]`. Fails with UsageError. */
export const parseArguments = (argv: readonly string[], commands: readonly Command[]): Parsed => {
  const at = commandIndex(argv, commands);
  const name = at === -1 ? undefined : argv[at];
  if (name === undefined) return { command: undefined, ...parse(argv, undefined) };
  const rest = argv.filter((_, index) => index !== at);
  if (name === 'help') {
    const asked = rest.find((word) => !word.startsWith('-'));
    return { command: asked === undefined ? undefined : commandNamed(asked, commands), flags: { help: true }, positionals: [] };
  }
  const command = commandNamed(name, commands);
  const parsed = parse(rest, command);
  if (parsed.flags['help'] !== true) checkCount(command, parsed.positionals);
  return { command, ...parsed };
};

const commandNamed = (name: string, commands: readonly Command[]): Command => {
  const command = commands.find((candidate) => candidate.name === name);
  if (command !== undefined) return command;
  const names = commands.map((candidate) => candidate.name);
  throw new UsageError(`unknown command: ${name}`, didYouMean(nearest(name, names), '') || `Commands: ${names.join(', ')}.`, undefined);
};

/** The first word that is neither a flag nor the value of one. */
const commandIndex = (argv: readonly string[], commands: readonly Command[]): number => {
  const withValue = new Set([GLOBAL_OPTIONS, ...commands.map((command) => command.options)].flatMap(stringOptions));
  for (let index = 0; index < argv.length; index += 1) {
    const word = argv[index] ?? '';
    if (word === '--') return -1;
    if (!word.startsWith('-') || word === '-') return index;
    if (withValue.has(word)) index += 1;
  }
  return -1;
};

const stringOptions = (options: Options): string[] =>
  Object.entries(options)
    .filter(([, option]) => option.type === 'string')
    .map(([name]) => `--${name}`);

const parse = (args: readonly string[], command: Command | undefined): Pick<Parsed, 'flags' | 'positionals'> => {
  const options = { ...GLOBAL_OPTIONS, ...command?.options };
  const config: ParseArgsOptionsConfig = Object.fromEntries(Object.entries(options).map(([name, option]) => [name, { type: option.type }]));
  config['help'] = { type: 'boolean', short: 'h' };
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    options: config,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const seen = new Set<string>();
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const option = options[token.name];
    if (option === undefined) throw unknownFlag(token.rawName, options, command);
    if (option.type === 'string' && missesValue(token.value, token.inlineValue))
      throw new UsageError(`${token.rawName} needs a value: ${option.value ?? ''}`, '', command);
    if (option.type === 'boolean' && token.value !== undefined) throw new UsageError(`${token.rawName} takes no value`, '', command);
    if (seen.has(token.name)) throw new UsageError(`${token.rawName} is given twice`, '', command);
    seen.add(token.name);
  }
  const flags = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Array.isArray(value) ? undefined : value]));
  return { flags, positionals };
};

/** `--env --json` would take a flag for the name; a lone `-` is stdin or stdout. */
const missesValue = (value: string | undefined, inline: boolean | undefined): boolean =>
  value === undefined || value === '' || (inline !== true && value.length > 1 && value.startsWith('-'));

const unknownFlag = (raw: string, options: Options, command: Command | undefined): UsageError => {
  const known = Object.keys(options);
  const where = command === undefined ? '' : ` for ${command.name}`;
  const hint = didYouMean(nearest(raw.replace(/^-+/, ''), known), '--') || `Flags: ${known.map((name) => `--${name}`).join(', ')}.`;
  return new UsageError(`unknown flag${where}: ${raw}`, hint, command);
};

const didYouMean = (word: string | undefined, prefix: string): string => (word === undefined ? '' : `Did you mean ${prefix}${word}?`);

const checkCount = (command: Command, positionals: readonly string[]): void => {
  const { min, max } = command.positionals;
  if (positionals.length < min)
    throw new UsageError(`${command.name} needs ${command.usage.split(' ')[positionals.length] ?? 'more arguments'}`, '', command);
  if (positionals.length > max) throw new UsageError(`${command.name} does not take "${positionals[max]}"`, '', command);
};
