import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FORMAT_KEY } from '../../backup/layout.ts';
import { FORMAT_VERSION } from '../../backup/manifest.ts';
import { createJson } from '../../backup/objects.ts';
import type { Json } from '../../backup/types.ts';
import { sourceNameOf } from '../../environment/adhoc.ts';
import { secretsInUrl } from '../../environment/redact.ts';
import { storeUrl } from '../../environment/store-url.ts';
import { LifeboatError } from '../../errors.ts';
import { systemFromUrl } from '../../sources/registry.ts';
import { openStore } from '../../stores/open.ts';
import { type Call, type Command, text } from '../command.ts';

const DEFAULT_STORE = 'file://./.lifeboat';
const DEFAULT_NAME = 'local';

/** Writes a starter environment and makes its store; overwrites nothing. */
export const init: Command = {
  name: 'init',
  summary: 'write a starter environment and make its store',
  usage: '',
  positionals: { min: 0, max: 0 },
  options: {
    store: { type: 'string', value: '<url>', help: `where the backups will live (default ${DEFAULT_STORE})` },
    from: { type: 'string', value: '<url>', help: 'the first source' },
    source: { type: 'string', value: '<name>', help: 'its name (default <kind>-<last path part>)' },
  },
  details: 'The environment is environments/<name of --env>.json below the working directory. A password of --from is not written down.',
  run: async (call) => {
    const name = text(call.flags, 'env') ?? DEFAULT_NAME;
    if (!/^[a-z0-9][a-z0-9-]*$/.test(name))
      throw new LifeboatError('Usage', `not a name for an environment: ${name}`, { hint: 'A name is a-z, 0-9 and -.' });
    const given = text(call.flags, 'store') ?? DEFAULT_STORE;
    const url = storeUrl(given, call.io.cwd);
    const source = sourceOf(call);
    const file = join(call.io.cwd, 'environments', `${name}.json`);
    await makeStore(url);
    await writeNew(file, { store: given.startsWith('file://.') ? given : url, sources: source?.sources ?? {} });
    const next =
      source === undefined
        ? 'Add a source to it, then run `lifeboat doctor`.'
        : `Run \`lifeboat doctor\`, then \`lifeboat backup ${source.name}\`.`;
    const secret = source?.secret === undefined ? '' : `\nThe password was not written: set ${source.secret} where Lifeboat runs.`;
    return {
      json: { environment: name, file, store: url, source: source?.name ?? null },
      text: `wrote ${file}\nstore ${url}${secret}\n${next}`,
    };
  },
};

interface FirstSource {
  readonly name: string;
  /** Environment variable that stands for the literal password of the URL. */
  readonly secret: string | undefined;
  readonly sources: Readonly<Record<string, Json>>;
}

const sourceOf = (call: Call): FirstSource | undefined => {
  const from = text(call.flags, 'from');
  if (from === undefined) return undefined;
  const system = systemFromUrl(from);
  const name = sourceNameOf(from, text(call.flags, 'source'));
  const literal = new Set(secretsInUrl(from));
  const variable = `${name.toUpperCase().replaceAll('-', '_')}_PASSWORD`;
  const fields = Object.entries(typeof system.address === 'object' && system.address !== null ? system.address : {});
  const clean = fields.filter(([, value]) => !(typeof value === 'string' && literal.has(value)));
  const secret = literal.size === 0 ? undefined : variable;
  const password: Readonly<Record<string, Json>> = secret === undefined ? {} : { password: `env:${secret}` };
  return { name, secret, sources: { [name]: { kind: system.kind, ...Object.fromEntries(clean), ...password } } };
};

const makeStore = async (url: string): Promise<void> => {
  if (url.startsWith('file://')) await mkdir(fileURLToPath(url), { recursive: true, mode: 0o700 });
  await createJson(await openStore(url), FORMAT_KEY, { formatVersion: FORMAT_VERSION });
};

const writeNew = async (file: string, content: Readonly<Record<string, Json>>): Promise<void> => {
  await mkdir(join(file, '..'), { recursive: true });
  await writeFile(file, `${JSON.stringify(content, null, 2)}\n`, { flag: 'wx' }).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EEXIST')
      throw new LifeboatError('ConfigInvalid', `there is an environment ${file}`, { hint: 'Give another name with --env.', cause });
    throw new LifeboatError('PermissionDenied', `cannot write ${file}: ${cause.message}`, { cause });
  });
};
