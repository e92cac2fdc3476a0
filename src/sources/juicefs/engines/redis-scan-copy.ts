import { LifeboatError } from '../../../errors.ts';
import type { Piece } from '../rdb/read.ts';
import { bytesOf, listOfReplies, numberOf, pairsOf, type RedisPlace, type RedisSession, type Reply } from './redis.ts';
import { type KeyWatch, watchChanges, watchKeys } from './redis-changes.ts';
import { isNeeded, type KeyCopy } from './redis-copy.ts';
import { scanHash, scanKeys } from './redis-scan.ts';

/** Keys whose values are asked for at once. */
const BATCH_KEYS = 1000;
/** Hashes with more fields are read in steps, so that neither the server nor this process holds all of one. */
const LARGE_HASH_FIELDS = 20_000;
/** What changed is read in one transaction when it is this much at most; a server does nothing else meanwhile. */
const ATOMIC_KEYS_MAX = 5000;
/** … and has so many names, slices and other elements: some 20 MiB, which this process holds. */
export const ATOMIC_ELEMENTS_MAX = 200_000;
/** Times that what changed is read again. */
const ROUNDS_MAX = 20;

interface RepairOptions {
  readonly signal: AbortSignal | undefined;
  /** Of one transaction; tests have less. */
  readonly elementsMax?: number;
}

/** How it went. `quiesced`: the copy is what the server held at `at`; else it changed while it was copied, until the end. */
export interface ScanResult {
  readonly quiesced: boolean;
  readonly at: Date;
  /** Keys that were read again, because they changed. */
  readonly repaired: number;
  /** Why it is not quiesced. */
  readonly changes: string;
}

/**
 * Copies a volume key by key, and then again whatever the server says changed meanwhile, until one transaction has read all of that and
 * nothing else has changed: from then on the copy is the volume as it was at that transaction.
 */
export const copyByScan = async (
  session: RedisSession,
  place: RedisPlace,
  copy: KeyCopy,
  { now, ...options }: { now(): Date } & RepairOptions,
): Promise<ScanResult> => {
  const counters = await watchChanges(session);
  const watch = await watchKeys(session, place);
  try {
    await copyAll(session, copy, options.signal);
    if (watch === undefined) {
      const changes = await counters.end();
      return { quiesced: changes === 'none', at: now(), repaired: 0, changes };
    }
    return await repair(session, copy, watch, now, options);
  } finally {
    await watch?.close();
  }
};

const copyAll = async (session: RedisSession, copy: KeyCopy, signal: AbortSignal | undefined): Promise<void> => {
  for await (const names of scanKeys(session)) {
    signal?.throwIfAborted();
    await copyKeys(session, copy, names.filter(isNeeded));
  }
};

const copyKeys = async (session: RedisSession, copy: KeyCopy, names: readonly string[]): Promise<void> => {
  for (let at = 0; at < names.length; at += BATCH_KEYS) {
    const some = names.slice(at, at + BATCH_KEYS);
    const strings = some.filter((name) => kindOfKey(name) === 'string');
    if (strings.length > 0) {
      const values = listOfReplies(await session.call('MGET', ...strings.map((name) => session.prefix + name)));
      for (const [i, name] of strings.entries()) store(copy, name, values[i] ?? null);
    }
    const hashes = some.filter((name) => kindOfKey(name) === 'hash');
    const sizes = await session.pipeline(hashes.map((name) => ['HLEN', session.prefix + name] as const));
    const large = new Set(hashes.filter((_, i) => numberOf(sizes[i]) > LARGE_HASH_FIELDS));
    const rest = some.filter((name) => kindOfKey(name) !== 'string' && !large.has(name));
    const replies = await session.pipeline(rest.map((name) => readCommand(session, name)));
    for (const [i, name] of rest.entries()) store(copy, name, replies[i] ?? null);
    for (const name of large) {
      let part = 0;
      for await (const pairs of scanHash(session, name)) copy.put(name, { kind: 'hash', part: part++, items: pairs.flat() });
    }
  }
};

const repair = async (
  session: RedisSession,
  copy: KeyCopy,
  watch: KeyWatch,
  now: () => Date,
  { signal, elementsMax = ATOMIC_ELEMENTS_MAX }: RepairOptions,
): Promise<ScanResult> => {
  let repaired = 0;
  let changed = await neededOf(watch);
  let wide: string | undefined;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    signal?.throwIfAborted();
    wide = changed.length <= ATOMIC_KEYS_MAX ? await tooLarge(session, changed, elementsMax) : undefined;
    const atomic = changed.length <= ATOMIC_KEYS_MAX && wide === undefined;
    for (const name of changed) copy.remove(name);
    if (atomic) await copyAtomically(session, copy, changed);
    else await copyKeys(session, copy, changed);
    const at = now();
    repaired += changed.length;
    const read = new Set(changed);
    changed = await neededOf(watch);
    // What was read in the transaction and written to afterwards is of another instant, which nobody asks for.
    if (atomic && changed.every((name) => read.has(name))) return { quiesced: true, at, repaired, changes: 'none' };
  }
  for (const name of changed) copy.remove(name);
  await copyKeys(session, copy, changed);
  const why = wide === undefined ? '' : `; ${wide}`;
  return { quiesced: false, at: now(), repaired, changes: `${changed.length} keys in the last round of ${ROUNDS_MAX}${why}` };
};

const COUNT_COMMANDS = { hash: 'HLEN', list: 'LLEN', set: 'SCARD', zset: 'ZCARD' } as const;

/** Why keys cannot be read in one transaction; undefined when they can. */
const tooLarge = async (session: RedisSession, names: readonly string[], elementsMax: number): Promise<string | undefined> => {
  const counted = names.flatMap((name) => {
    const kind = kindOfKey(name);
    return kind === 'string' ? [] : [{ name, command: COUNT_COMMANDS[kind] }];
  });
  const sizes = (await session.pipeline(counted.map(({ name, command }) => [command, session.prefix + name] as const))).map(numberOf);
  const all = sizes.reduce((sum, size) => sum + size, 0n);
  if (all <= BigInt(elementsMax)) return undefined;
  const [most = 0n, name = ''] = sizes.reduce<readonly [bigint, string]>(
    (top, size, i) => (size > top[0] ? [size, counted[i]?.name ?? ''] : top),
    [0n, ''],
  );
  return `${all} elements changed, ${most} of them in ${name}: more than the ${elementsMax} that are read in one transaction`;
};

const neededOf = async (watch: KeyWatch): Promise<readonly string[]> => {
  const names = await watch.changed();
  if (names === 'all')
    throw new LifeboatError('SourceChanged', 'more changed in Redis than can be read again, or a database was emptied', {
      hint: 'Begin again when less is written, or read=walk.',
    });
  return [...names].filter(isNeeded);
};

const copyAtomically = async (session: RedisSession, copy: KeyCopy, names: readonly string[]): Promise<void> => {
  // Without names, too: the instant is that of the transaction.
  const replies = await session.pipeline([['MULTI'], ...names.map((name) => readCommand(session, name)), ['PING'], ['EXEC']]);
  const values = listOfReplies(replies.at(-1));
  for (const [i, name] of names.entries()) store(copy, name, values[i] ?? null);
};

const kindOfKey = (name: string): Piece['kind'] => {
  switch (name.charAt(0)) {
    case 'c':
      return 'list';
    case 'd':
      return name === 'delfiles' ? 'zset' : 'hash';
    case 'x':
    case 'u':
      return name === 'usedSpace' ? 'string' : 'hash';
    case 'g':
      return 'hash';
    case 'a':
      return name === 'acl' ? 'hash' : 'zset';
    case 's':
      if (name === 'sessions') return 'zset';
      return name.startsWith('session') ? 'set' : 'string';
    default:
      return 'string';
  }
};

const readCommand = (session: RedisSession, name: string): readonly [string, ...(string | number)[]] => {
  const key = session.prefix + name;
  switch (kindOfKey(name)) {
    case 'string':
      return ['GET', key];
    case 'hash':
      return ['HGETALL', key];
    case 'list':
      return ['LRANGE', key, 0, -1];
    case 'set':
      return ['SMEMBERS', key];
    case 'zset':
      return ['ZRANGE', key, 0, -1, 'WITHSCORES'];
  }
};

/** A key that is gone meanwhile has no value, or an empty one. */
const store = (copy: KeyCopy, name: string, reply: Reply): void => {
  const kind = kindOfKey(name);
  const items =
    kind === 'hash' || kind === 'zset'
      ? pairsOf(reply).flat()
      : (Array.isArray(reply) ? (reply as readonly Reply[]) : [reply]).flatMap((one) => bytesOf(one) ?? []);
  if (items.length > 0) copy.put(name, { kind, part: 0, items });
};
