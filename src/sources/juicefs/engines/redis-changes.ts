import { bytesOf, type RedisPlace, type RedisSession, subscribeInvalidations } from './redis.ts';

/** What changed in a Redis server since it was watched. */
export interface ChangeWatch {
  /** `none`, or the counters of the server that moved: of all its databases, and also of what changes no file. */
  end(): Promise<string>;
}

/** Of INFO: each moves with a write, or with what hides one. */
const COUNTERS = ['run_id', 'master_repl_offset', 'rdb_changes_since_last_save', 'rdb_last_save_time'] as const;

export const watchChanges = async (session: RedisSession): Promise<ChangeWatch> => {
  const read = async (): Promise<ReadonlyMap<string, string>> => {
    const info = bytesOf(await session.call('INFO'))?.toString('utf8') ?? '';
    return new Map(COUNTERS.map((name) => [name, new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? 'unknown']));
  };
  const before = await read();
  return {
    async end() {
      const after = await read();
      // A server that does not say how much was written may have been written to.
      const moved = COUNTERS.filter((name) => before.get(name) !== after.get(name) || after.get(name) === 'unknown');
      return moved.length === 0 ? 'none' : moved.join(', ');
    },
  };
};

/** The keys of a volume that were written to, as the server itself tells a client that keeps a cache. */
export interface KeyWatch {
  /** Names without prefix since the last call, once all that was written before it is known; `all` when everything was. */
  changed(): Promise<ReadonlySet<string> | 'all'>;
  close(): Promise<void>;
}

/** Names that are held; when more changed, everything did. */
const NAMES_MAX = 500_000;

/** Undefined where the server cannot tell: before Redis 6, or not to this user. */
export const watchKeys = async (session: RedisSession, place: RedisPlace): Promise<KeyWatch | undefined> => {
  let names = new Set<string>();
  let all = false;
  const listener = await subscribeInvalidations(place, (keys) => {
    if (keys === undefined) all = true;
    else if (!all)
      for (const key of keys) {
        const name = key.toString('latin1');
        if (name.startsWith(place.prefix)) names.add(name.slice(place.prefix.length));
      }
    if (names.size > NAMES_MAX) all = true;
    if (all) names.clear();
  });
  if (listener === undefined) return undefined;
  try {
    await session.call(
      'CLIENT',
      'TRACKING',
      'ON',
      'REDIRECT',
      listener.id,
      'BCAST',
      ...(place.prefix === '' ? [] : ['PREFIX', place.prefix]),
    );
  } catch {
    await listener.close();
    return undefined;
  }
  return {
    async changed() {
      await listener.fence();
      const found = all ? 'all' : names;
      names = new Set();
      all = false;
      return found;
    },
    close: () => listener.close(),
  };
};
