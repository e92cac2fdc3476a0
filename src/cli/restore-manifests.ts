import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { LifeboatError } from '../errors.ts';
import { kindOfUrl, kinds } from '../sources/registry.ts';
import type { AnyKind } from '../sources/system.ts';
import { failedChecks } from './checks.ts';
import { type Call, isSet, type Outcome, text } from './command.ts';
import { plural } from './format.ts';
import { inTurn } from './in-turn.ts';

/** Names and ids: a kilobyte. */
const MANIFEST_MAX_BYTES = 64 * 1024;

/** Restores what the vendor's own tools wrote down, without a store: each manifest to where it says, or where `--to` does. */
export const restoreManifests = async (call: Call): Promise<Outcome> => {
  for (const flag of ['source', 'store', 'only'])
    if (text(call.flags, flag) !== undefined) throw new LifeboatError('Usage', `--manifest and --${flag} exclude each other`);
  const files = [text(call.flags, 'manifest') ?? '', ...call.positionals];
  const to = text(call.flags, 'to');
  const server = to === undefined ? undefined : kindOfUrl(to);
  if (files.length > 1 && server !== undefined && server.url.pathname.replaceAll('/', '') !== '')
    throw new LifeboatError('Usage', 'several manifests do not fit into the one repository that --to names', {
      hint: 'Let --to name the server alone, or restore one after the other.',
    });
  if (files.length === 1) return restoreOne(call, files[0] ?? '', server);
  return inTurn(call, 'manifests', files, (file) => restoreOne(call, file, server));
};

const restoreOne = async (call: Call, file: string, to: { readonly kind: AnyKind; readonly url: URL } | undefined): Promise<Outcome> => {
  const manifest = await readManifest(file, call.io.cwd);
  const kind = kinds.find(({ artifact, members }) => members !== undefined && artifact?.recognises(manifest) === true);
  if (kind?.members === undefined || (to !== undefined && to.kind.kind !== kind.kind))
    throw new LifeboatError('ArtifactInvalid', `${file} is no manifest that ${to === undefined ? 'is known here' : 'this server takes'}`, {
      hint: '`lakectl refs-dump` and `lakefs-refs.py dump` write them.',
    });
  const ignoreStorageId = isSet(call.flags, 'ignore-storage-id');
  const system = await kind.members.home(manifest.toString('utf8'), to?.url, { ignoreStorageId });
  const engine = await call.engine('alone');
  const result = await engine.load(system, Readable.from([manifest]), { overwrite: isSet(call.flags, 'overwrite') }, call.run);
  const failed = failedChecks(result.checks, call.style);
  return {
    json: { target: system.redacted, file, ok: failed.exit === 0, ...result },
    text: `${file} restored to ${system.redacted}: ${plural(result.rows, 'ref')}${failed.exit === 0 ? '' : `: ${failed.text}`}`,
    exit: failed.exit,
  };
};

const readManifest = async (file: string, cwd: string): Promise<Buffer> => {
  const path = resolve(cwd, file);
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw new LifeboatError('Usage', `cannot read ${file}: ${cause.code ?? cause.message}`, { cause });
  });
  if (!found.isFile()) throw new LifeboatError('Usage', `${file} is not a file`);
  if (found.size > MANIFEST_MAX_BYTES) throw new LifeboatError('ArtifactInvalid', `${file} is too large for a manifest`);
  return readFile(path);
};
