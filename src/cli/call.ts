import { adhoc, override } from '../environment/adhoc.ts';
import { type Environment, findRoot, loadEnvironment } from '../environment/environment.ts';
import type { Secrets } from '../environment/secrets.ts';
import { openStore } from '../stores/open.ts';
import type { Store } from '../stores/store.ts';
import { UsageError } from './arguments.ts';
import { type Call, type Flags, text } from './command.ts';
import type { Engine, MakeEngine, Run } from './engine.ts';
import type { Io } from './io.ts';
import type { Style } from './style.ts';

const DEFAULT_ENVIRONMENT = 'local';

interface CallInput {
  readonly flags: Flags;
  readonly positionals: readonly string[];
  readonly io: Io;
  readonly run: Run;
  readonly style: Style;
  readonly secrets: Secrets;
  readonly makeEngine: MakeEngine;
  /** Told once the environment is known, so that its literal secrets are redacted from then on. */
  readonly onEnvironment: (environment: Environment) => void;
}

/** What a command runs with; the environment, the stores and the engine are made when it first asks. */
export const openCall = (input: CallInput): { readonly call: Call; close(): Promise<void> } => {
  const { flags, positionals, io, run, style, secrets } = input;
  const engines: Promise<Engine>[] = [];
  const environment = once(async () => {
    const loaded = await environmentOf(flags, io);
    input.onEnvironment(loaded);
    return loaded;
  });
  const withEnvironment = once(async () => input.makeEngine({ environment: await environment(), secrets }));
  const alone = once(() => input.makeEngine({ environment: undefined, secrets }));
  const keep = (engine: Promise<Engine>): Promise<Engine> => {
    if (!engines.includes(engine)) engines.push(engine);
    return engine;
  };
  const open = (which: 'store' | 'control') => async (): Promise<Store> => {
    const { url, ...options } = (await environment())[which];
    return openStore(url, options);
  };
  return {
    call: {
      flags,
      positionals,
      io,
      run,
      style,
      secrets,
      environment,
      store: once(open('store')),
      control: once(open('control')),
      engine: (only) => keep(only === 'alone' ? alone() : withEnvironment()),
    },
    close: async () => {
      const made = await Promise.allSettled(engines);
      await Promise.all(made.map((engine) => (engine.status === 'fulfilled' ? engine.value.close() : undefined)));
    },
  };
};

const environmentOf = async (flags: Flags, io: Io): Promise<Environment> => {
  const store = text(flags, 'store');
  if (store !== undefined && text(flags, 'env') !== undefined)
    throw new UsageError(
      '--store and --env exclude each other',
      'A store in the command line takes the place of an environment.',
      undefined,
    );
  const from = text(flags, 'from');
  const given = {
    from,
    to: text(flags, 'to'),
    scratch: text(flags, 'scratch'),
    sourceName: from === undefined ? undefined : text(flags, 'source'),
  };
  if (store !== undefined) return adhoc({ ...given, store }, io.cwd);
  const name = text(flags, 'env') ?? io.env['LIFEBOAT_ENV'] ?? DEFAULT_ENVIRONMENT;
  const isPath = name.includes('/') || name.endsWith('.json');
  return override(await loadEnvironment(name, { root: isPath ? io.cwd : await findRoot(io.cwd) }), given);
};

const once = <T>(make: () => Promise<T>): (() => Promise<T>) => {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
};
