import { compareDigests, loadDigest } from '../../backup/digest.ts';
import type { Check, ClassDigest } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { LoadOptions, Services } from '../contract.ts';
import { type JuicefsAddress, placeOf } from './address.ts';
import { openWriter } from './engines/open.ts';
import { watchChanges } from './engines/redis-changes.ts';
import { parseSetting, removedSecrets } from './format/setting.ts';
import { streamDump } from './read/stream.ts';
import { withReader } from './source.ts';
import { loadDump } from './write/load.ts';

/** What a migration did, and what a person still has to know. */
export interface Migrated {
  readonly rows: string;
  /** Content of every class on both engines, and the target's own soundness. */
  readonly checks: readonly Check[];
  readonly consistency: 'snapshot' | 'quiesced' | 'fuzzy';
  /** Sentences, in order of weight. */
  readonly notes: readonly string[];
}

/**
 * Copies a volume's metadata into an empty engine in one step: one session reads, another writes, and then every class is read back
 * and compared. Secrets go along when the source's address keeps them. Fails with TargetNotEmpty, and with TargetIsSource.
 */
export const migrate = async (from: JuicefsAddress, to: JuicefsAddress, services: Services, options: LoadOptions): Promise<Migrated> => {
  if (placeOf(from, services.temporary) === placeOf(to, services.temporary))
    throw new LifeboatError('TargetIsSource', 'a volume cannot be migrated into its own engine', { hint: 'Name another engine.' });
  const factory = await loadDigest();
  const watch = from.engine === 'redis' ? await watchChanges(from, services) : undefined;
  const { loaded, expected, removed } = await withReader(from, services, undefined, async (reader) => {
    const streamed = streamDump(from, reader, factory);
    const writer = await openWriter(to, services);
    try {
      const done = await loadDump(writer, streamed.bytes, options, services.now());
      return { loaded: done, expected: streamed.digests(), removed: secretsLeftOut(from, (await reader.head()).setting) };
    } finally {
      await writer.close();
    }
  });
  const changes = await watch?.end();
  const consistency = watch === undefined ? 'snapshot' : changes === 'none' ? 'quiesced' : 'fuzzy';
  const actual = await withReader({ ...to, subdir: undefined, skipTrash: false }, services, undefined, async (reader) => {
    const streamed = streamDump(to, reader, factory);
    for await (const _ of streamed.bytes) options.signal.throwIfAborted();
    return streamed.digests();
  });
  return {
    rows: loaded.rows,
    checks: [...comparable(expected, actual, from), ...loaded.checks],
    consistency,
    notes: notesOf(consistency, removed),
  };
};

/** A folder, or a volume without its trash, becomes a volume with one: the quotas of owners are then not the same. */
const comparable = (expected: readonly ClassDigest[], actual: readonly ClassDigest[], from: JuicefsAddress): Check[] => {
  const all = compareDigests(expected, actual);
  return from.subdir === undefined || from.subdir === '/' ? all : all.filter((check) => check.class !== 'quotas');
};

const secretsLeftOut = (from: JuicefsAddress, setting: string): readonly string[] => {
  const own = parseSetting(setting);
  if (from.keepSecretKey) return removedSecrets(own);
  return ['SecretKey', 'SessionToken'].filter((name) => typeof own.value[name] === 'string' && own.value[name] !== '');
};

const notesOf = (consistency: Migrated['consistency'], removed: readonly string[]): readonly string[] => [
  "The old engine must go offline before the new one goes online: two engines on one bucket destroy each other's objects. `juicefs status <old>` shows who is still connected.",
  ...(removed.length === 0
    ? []
    : [`Not carried: ${removed.join(', ')}. Set them with \`juicefs config <new> --secret-key …\`, or migrate with ?keep-secret-key.`]),
  ...(consistency === 'fuzzy'
    ? ['Redis was written to meanwhile: what was renamed may be missing or doubled. Stop all clients and migrate again.']
    : []),
];
