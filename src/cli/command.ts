import type { Environment } from '../environment/environment.ts';
import type { Secrets } from '../environment/secrets.ts';
import type { Store } from '../stores/store.ts';
import type { Engine, Run } from './engine.ts';
import type { Io } from './io.ts';
import type { Style } from './style.ts';

/** One verb of the command line: one file under commands/, one line in commands.ts. */
export interface Command {
  readonly name: string;
  readonly summary: string;
  /** After the name in the usage line: `[<source>]`. */
  readonly usage: string;
  readonly positionals: { readonly min: number; readonly max: number };
  readonly options: Options;
  /** Paragraphs below the options in `--help`. */
  readonly details?: string;
  run(call: Call): Promise<Outcome>;
}

export type Options = Readonly<Record<string, Option>>;

export interface Option {
  readonly type: 'string' | 'boolean';
  /** What stands for the value in help: `<url>`. */
  readonly value?: string;
  readonly help: string;
}

/** What a command answers; main prints `json` or `text`, never both. */
export interface Outcome {
  readonly json: Readonly<Record<string, unknown>>;
  readonly text: string;
  /** Default 0. */
  readonly exit?: number;
  /** The text goes to stderr, because an artifact went to stdout. */
  readonly stdoutTaken?: boolean;
}

export interface Call {
  readonly positionals: readonly string[];
  readonly flags: Flags;
  readonly io: Io;
  readonly run: Run;
  readonly style: Style;
  readonly secrets: Secrets;
  /** The environment file, or `--store`, with `--from`, `--to` and `--scratch` on top; loaded once. */
  environment(): Promise<Environment>;
  store(): Promise<Store>;
  control(): Promise<Store>;
  /** Made once, closed when the command has ended. `alone`: for what needs no environment. */
  engine(alone?: 'alone'): Promise<Engine>;
}

export type Flags = Readonly<Record<string, string | boolean | undefined>>;

export const text = (flags: Flags, name: string): string | undefined => {
  const value = flags[name];
  return typeof value === 'string' ? value : undefined;
};

export const isSet = (flags: Flags, name: string): boolean => flags[name] === true;
