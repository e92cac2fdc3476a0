import { bytesOf, listOfReplies, pairsOf, type RedisSession } from './redis.ts';

/** The few keys of a volume that are not of one inode, wherever they are read from. Names are without prefix. */
export interface Keys {
  strings(names: readonly string[]): Promise<readonly (Buffer | undefined)[]>;
  hash(name: string): Promise<readonly (readonly [Buffer, Buffer])[]>;
  /** Members with their scores. */
  sorted(name: string): Promise<readonly (readonly [Buffer, Buffer])[]>;
  sets(names: readonly string[]): Promise<readonly (readonly Buffer[])[]>;
}

export const liveKeys = (session: RedisSession): Keys => {
  const key = (name: string): string => session.prefix + name;
  return {
    strings: async (names) => listOfReplies(await session.call('MGET', ...names.map(key))).map(bytesOf),
    hash: async (name) => pairsOf(await session.call('HGETALL', key(name))),
    sorted: async (name) => pairsOf(await session.call('ZRANGE', key(name), 0, -1, 'WITHSCORES')),
    sets: async (names) => {
      const replies = await session.pipeline(names.map((name) => ['SMEMBERS', key(name)] as const));
      return replies.map((reply) => listOfReplies(reply).flatMap((member) => bytesOf(member) ?? []));
    },
  };
};
