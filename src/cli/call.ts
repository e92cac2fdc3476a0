import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adhoc, override } from '../environment/adhoc.ts';
import { type Environment, findRoot, loadEnvironment } from '../environment/environment.ts';
import type { Secrets } from '../environment/secrets.ts';
import { membersOfServer } from '../sources/registry.ts';
import type { System } from '../sources/system.ts';
import { openStore } from '../stores/open.ts';
import type { Store } from '../stores/store.ts';
import { UsageError } from './arguments.ts';
import { type Call, type Flags, isSet, text } from './command.ts';
import type { Engine, EngineInput, MakeEngine, Run } from './engine.ts';
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
    const loaded = await environmentOf(flags, io, secrets);
    input.onEnvironment(loaded);
    return loaded;
  });
  const withEnvironment = once(async () => {
    const loaded = await environment();
    return input.makeEngine({ environment: loaded, secrets, ...deployedFor(loaded, flags) });
  });
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

/** Where a deployment is configured, its machines run: unless `--local` says otherwise. They know nothing of URLs given here. */
const deployedFor = ({ name, deployment }: Environment, flags: Flags): Partial<Pick<EngineInput, 'deployed'>> => {
  if (deployment === undefined || isSet(flags, 'local')) return {};
  const given = ['from', 'to', 'scratch'].find((flag) => text(flags, flag)?.includes('://'));
  if (given !== undefined)
    throw new UsageError(
      `environment ${name} runs on AWS, where the URL of --${given} is not known`,
      given === 'from'
        ? 'Add a source to the environment, or --local to run it here.'
        : 'Name a target of the environment, or add --local to run it here.',
      undefined,
    );
  const alone = ['commit', 'remove-source'].find((flag) => isSet(flags, flag));
  if (alone !== undefined)
    throw new UsageError(
      `--${alone} is not for an environment that runs on AWS`,
      'Its machines do what the deployed environment says ("uncommitted": "commit"). With --local they run here.',
      undefined,
    );
  return { deployed: { onInterrupt: isSet(flags, 'stop-on-interrupt') ? 'stop' : 'leave' } };
};

const environmentOf = async (flags: Flags, io: Io, secrets: Secrets): Promise<Environment> => {
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
    members: from !== undefined && isSet(flags, 'all') ? await membersOf(from, secrets) : undefined,
    commit: isSet(flags, 'commit'),
  };
  if (store !== undefined) return adhoc({ ...given, store }, io.cwd);
  const name = text(flags, 'env') ?? io.env['LIFEBOAT_ENV'] ?? DEFAULT_ENVIRONMENT;
  const isPath = name.includes('/') || name.endsWith('.json');
  return override(await loadEnvironment(name, { root: isPath ? io.cwd : await findRoot(io.cwd) }), given);
};

/** Every system of the server of `--from`. */
const membersOf = (from: string, secrets: Secrets): Promise<System[]> =>
  Array.fromAsync(membersOfServer(from, { secret: secrets.resolve, now: () => new Date(), temporary: join(tmpdir(), 'lifeboat') }));

const once = <T>(make: () => Promise<T>): (() => Promise<T>) => {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
};
