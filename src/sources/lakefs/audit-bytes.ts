import type { Check } from '../../backup/types.ts';
import { isLifeboatError } from '../../errors.ts';
import type { Objects, TaskContext } from '../contract.ts';
import { hashOf } from './hashes.ts';
import { objectBytes } from './rest/api.ts';
import { poolOf, type Session } from './session.ts';

/** An object that is read from the restored server: lakeFS answers 200 to everything but GET for an object whose bytes are gone. */
export interface Sample {
  readonly commit: string;
  readonly path: string;
  readonly key: string;
  readonly size: number;
  /** lakeFS's ETag: the md5 of the bytes, unless the object was uploaded in parts. */
  readonly checksum: string;
}

const READS_AT_ONCE = 4;
const MD5 = /^[0-9a-f]{32}$/;

/** Reads each sample from the server and from the pool. One check for all of them, which names the first that differs. */
export const auditBytes = async (session: Session, samples: readonly Sample[], context: TaskContext): Promise<readonly Check[]> => {
  if (samples.length === 0) return [];
  const pool = poolOf(context);
  const wrong: string[] = [];
  const strange: string[] = [];
  let agreed = false;
  let bytes = 0;
  for (let from = 0; from < samples.length; from += READS_AT_ONCE) {
    context.budget.signal.throwIfAborted();
    const round = samples.slice(from, from + READS_AT_ONCE);
    for (const found of await Promise.all(round.map((sample) => compare(session, pool, sample)))) {
      if (found.differs !== undefined) wrong.push(found.differs);
      if (found.checksum !== undefined) strange.push(found.checksum);
      agreed ||= found.agrees;
    }
    bytes += round.reduce((sum, { size }) => sum + size, 0);
  }
  // Of an encrypted bucket (SSE-KMS), lakeFS has ETags that look like MD5s, and none of them is one.
  if (agreed) wrong.push(...strange);
  const all = `${samples.length} objects, ${bytes} bytes`;
  return [
    {
      name: `bytes of sampled objects, part ${context.task}`,
      expected: all,
      actual: wrong.length === 0 ? all : `${wrong.length} of ${samples.length} differ: ${wrong[0]}`,
      ok: wrong.length === 0,
      class: 'data',
    },
  ];
};

interface Compared {
  /** The restored object is not what it was. */
  readonly differs?: string;
  /** It is what the pool has, and not what lakeFS's checksum says. */
  readonly checksum?: string;
  /** lakeFS's checksum is the MD5 of the bytes. */
  readonly agrees: boolean;
}

const compare = async (
  { client, repository }: Session,
  pool: Objects,
  { path, commit, key, size, checksum }: Sample,
): Promise<Compared> => {
  const answer = await objectBytes(client, repository.id, commit, path);
  if ('status' in answer) return { differs: `${path} is not readable: ${answer.message}`, agrees: false };
  const [restored, kept] = await Promise.all([hashOf(answer), keptHash(pool, key)]);
  const agrees = restored.md5 === checksum;
  const said = `${path} has md5 ${restored.md5} instead of ${checksum}`;
  if (restored.bytes !== size) return { differs: `${path} has ${restored.bytes} bytes instead of ${size}`, agrees };
  if (kept !== undefined && kept !== restored.sha256) return { differs: `${path} is not what the pool has`, agrees };
  if (agrees || !MD5.test(checksum)) return { agrees };
  return kept === undefined ? { differs: said, agrees } : { checksum: said, agrees };
};

/** Undefined when the pool has lost it since: a matter of `verify`, not of what was restored. */
const keptHash = async (pool: Objects, key: string): Promise<string | undefined> => {
  try {
    return (await hashOf(pool.read(key))).sha256;
  } catch (error) {
    if (isLifeboatError(error, 'NoSuchObject')) return undefined;
    throw error;
  }
};
