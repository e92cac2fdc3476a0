import { setImmediate as turn } from 'node:timers/promises';
import { LifeboatError } from '../../../errors.ts';
import { isNeeded, isOfInode, type KeyCopy } from '../engines/redis-copy.ts';
import { openRdb } from './read.ts';

/** Keys between two turns of the event loop. */
const KEYS_PER_TURN = 2000;

export interface RdbFacts {
  readonly version: number;
  /** `7.0.15`, as the server says; undefined when it does not. */
  readonly server: string | undefined;
  /** When the server began to write it. */
  readonly at: Date | undefined;
}

export interface OfRdb {
  readonly database: number;
  readonly prefix: string;
  /** Only what stands in a dump before the trees. */
  readonly headOnly?: boolean;
}

/** Brings what a dump needs of one volume from an RDB file into a copy. Fails with ArtifactInvalid, Unsupported. */
export const copyRdb = async (
  file: number,
  { database, prefix, headOnly = false }: OfRdb,
  copy: KeyCopy,
  signal: AbortSignal | undefined,
): Promise<RdbFacts> => {
  const rdb = openRdb(file, {
    database,
    nameOf(key) {
      const whole = key.toString('latin1');
      if (!whole.startsWith(prefix)) return undefined;
      const name = prefix === '' ? whole : whole.slice(prefix.length);
      return isNeeded(name) && !(headOnly && isOfInode(name)) ? name : undefined;
    },
  });
  let keys = 0;
  for (const piece of rdb.pieces()) {
    copy.put(piece.name, piece);
    if (++keys % KEYS_PER_TURN !== 0) continue;
    signal?.throwIfAborted();
    await turn();
  }
  if (keys === 0)
    throw new LifeboatError('SourceProblem', `the RDB has no volume in database ${database}`, {
      hint: 'Give the number of the database, and the prefix of a cluster: db=1, key_prefix={1}.',
    });
  const seconds = Number(rdb.aux.get('ctime'));
  return {
    version: rdb.version,
    server: rdb.aux.get('valkey-ver') ?? rdb.aux.get('redis-ver'),
    at: Number.isFinite(seconds) && seconds > 0 ? new Date(seconds * 1000) : undefined,
  };
};
