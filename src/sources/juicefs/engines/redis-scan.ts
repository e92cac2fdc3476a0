import { bytesOf, listOfReplies, pairsOf, type RedisSession } from './redis.ts';
import { decodeAttr, type StoredAttr } from './redis-attr.ts';

/** Keys or fields that are looked at in one step of a scan. */
const SCAN_COUNT = 5000;

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
