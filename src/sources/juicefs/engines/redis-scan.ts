import { bytesOf, listOfReplies, numberOf, pairsOf, type RedisSession } from './redis.ts';
import { decodeAttr, type StoredAttr } from './redis-attr.ts';

/** Keys or fields that are looked at in one step of a scan. */
const SCAN_COUNT = 5000;

/** A step of a scan of all keys of a database, also of those of others: the server counts them, too. */
export const scanPage = async (
  session: RedisSession,
  cursor: string,
): Promise<{ readonly next: string; readonly keys: number; readonly names: readonly string[] }> => {
  const [next, keys] = listOfReplies(await session.call('SCAN', cursor, 'COUNT', SCAN_COUNT));
  const all = listOfReplies(keys).map((key) => bytesOf(key)?.toString('latin1') ?? '');
  const ours = all.filter((key) => key.startsWith(session.prefix)).map((key) => key.slice(session.prefix.length));
  return { next: bytesOf(next)?.toString('latin1') ?? '0', keys: all.length, names: ours };
};

/**
 * Whether a pass over all keys was told of each once. A server that resizes its table shows some twice; then there were more than it has.
 * Where others write beside the volume, its own keys are counted once more.
 */
export const toldOnce = async (session: RedisSession, { seen, own }: { readonly seen: number; readonly own: number }): Promise<boolean> => {
  if (BigInt(seen) === numberOf(await session.call('DBSIZE'))) return true;
  let counted = 0;
  let cursor = '0';
  do {
    const page = await scanPage(session, cursor);
    counted += page.names.length;
    cursor = page.next;
  } while (cursor !== '0');
  return counted === own;
};

/** Names of all keys, without the prefix; some may come twice. */
export async function* scanKeys(session: RedisSession): AsyncGenerator<readonly string[]> {
  const pattern = `${session.prefix.replace(/[[\]?*\\^]/g, '\\$&')}*`;
  let cursor = '0';
  do {
    const [next, keys] = listOfReplies(await session.call('SCAN', cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT));
    cursor = bytesOf(next)?.toString('latin1') ?? '0';
    yield listOfReplies(keys).map((key) => bytesOf(key)?.toString('latin1').slice(session.prefix.length) ?? '');
  } while (cursor !== '0');
}

export async function* scanHash(session: RedisSession, name: string): AsyncGenerator<readonly (readonly [Buffer, Buffer])[]> {
  let cursor = '0';
  do {
    const [next, pairs] = listOfReplies(await session.call('HSCAN', session.prefix + name, cursor, 'COUNT', SCAN_COUNT));
    cursor = bytesOf(next)?.toString('latin1') ?? '0';
    yield pairsOf(pairs);
  } while (cursor !== '0');
}

/** All inodes, in no order. */
export async function* scanAttrs(session: RedisSession): AsyncGenerator<readonly StoredAttr[]> {
  for await (const keys of scanKeys(session)) {
    const inodes = [...new Set(keys.filter((name) => /^i\d+$/.test(name)))];
    if (inodes.length === 0) continue;
    const values = listOfReplies(await session.call('MGET', ...inodes.map((name) => session.prefix + name)));
    yield inodes.flatMap((name, i) => {
      const bytes = bytesOf(values[i]);
      return bytes === undefined ? [] : [decodeAttr(BigInt(name.slice(1)), bytes)];
    });
  }
}

/** Passes that an audit tries: a table that is resized under a scan shows keys twice; so does one that is written to. */
export const PASSES_MAX = 3;

export const neverSettled = (what: string): { readonly what: string; readonly why: string } => ({
  what,
  why: `the keys changed, or were moved by the server, in each of ${PASSES_MAX} passes`,
});
