import { compareDigests, loadDigest } from '../../backup/digest.ts';
import type { Check, ClassDigest } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { LoadOptions, Services } from '../contract.ts';
import { isRedis, type JuicefsAddress, placeOf } from './address.ts';
import { openReader, openWriter } from './engines/open.ts';
import type { Reader } from './engines/reader.ts';
import { parseSetting, removedSecrets } from './format/setting.ts';
import { metaUrlOf } from './meta-url.ts';
import { streamDump } from './read/stream.ts';
import { withReader } from './reading.ts';
import { liveSessions, type Session } from './sessions.ts';
import { loadDump } from './write/load.ts';

/** What a migration did, and what a person still has to know. */
export interface Migrated {
  readonly rows: string;
  /** Content of every class on both engines, and the target's own soundness. */
  readonly checks: readonly Check[];
  readonly consistency: 'snapshot' | 'quiesced' | 'fuzzy';
  /** Clients that had the old engine open when it was read. */
  readonly sessions: readonly Session[];
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
  const sessions = await liveSessions(from, services);
  const instant = isRedis(from)
    ? await (await import('./engines/redis-instant.ts')).openRedisInstant(from, services, options.signal)
    : { reader: await openReader(from, services), end: undefined };
  const copy = async (reader: Reader) => {
    const streamed = streamDump(from, reader, factory);
    const writer = await openWriter(to, services);
    try {
      const done = await loadDump(writer, streamed.bytes, options, services.now());
      return { loaded: done, expected: streamed.digests(), removed: secretsLeftOut(from, (await reader.head()).setting) };
    } finally {
      await writer.close();
    }
  };
  const { loaded, expected, removed, consistency } = await copy(instant.reader)
    .then(async (done) => ({ ...done, consistency: (await instant.end?.())?.consistency ?? ('snapshot' as const) }))
    .finally(() => instant.reader.close());
  const actual = await withReader({ ...to, subdir: undefined, skipTrash: false }, services, undefined, async (reader) => {
    const streamed = streamDump(to, reader, factory);
    for await (const _ of streamed.bytes) options.signal.throwIfAborted();
    return streamed.digests();
  });
  return {
    rows: loaded.rows,
    checks: [...comparable(expected, actual, from), ...loaded.checks],
    consistency,
    sessions,
    notes: notesOf(consistency, removed, sessions, metaUrlOf(from, services)),
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

const notesOf = (
  consistency: Migrated['consistency'],
  removed: readonly string[],
  sessions: readonly Session[],
  old: string,
): readonly string[] => [
  ...(sessions.length === 0
    ? []
    : [
        `${sessions.length} ${sessions.length === 1 ? 'client' : 'clients'} had the old engine open, and what they write after this is not in the new one: ${sessions.slice(0, SESSIONS_SHOWN).map(clientWords).join(', ')}${sessions.length > SESSIONS_SHOWN ? ', …' : ''}.`,
      ]),
  `The old engine must go offline before the new one goes online: two engines on one bucket destroy each other's objects. \`juicefs status ${old}\` shows who is still connected.`,
  ...(removed.length === 0
    ? []
    : [`Not carried: ${removed.join(', ')}. Set them with \`juicefs config <new> --secret-key …\`, or migrate with ?keep-secret-key.`]),
  ...(consistency === 'fuzzy'
    ? ['Redis was written to meanwhile: what was renamed may be missing or doubled. Stop all clients and migrate again.']
    : []),
];

const SESSIONS_SHOWN = 10;

const clientWords = ({ host, mountPoint, process }: Session): string =>
  `${mountPoint === '' ? 'a client' : mountPoint} on ${host}${process === null ? '' : ` (process ${process})`}`;
