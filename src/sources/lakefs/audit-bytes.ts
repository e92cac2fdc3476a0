import { createHash } from 'node:crypto';
import type { Check } from '../../backup/types.ts';
import { isLifeboatError } from '../../errors.ts';
import type { Objects, TaskContext } from '../contract.ts';
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
  let bytes = 0;
  for (let from = 0; from < samples.length; from += READS_AT_ONCE) {
    context.budget.signal.throwIfAborted();
    const round = samples.slice(from, from + READS_AT_ONCE);
    for (const flaw of await Promise.all(round.map((sample) => flawOf(session, pool, sample)))) if (flaw !== undefined) wrong.push(flaw);
    bytes += round.reduce((sum, { size }) => sum + size, 0);
  }
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

const flawOf = async ({ client, repository }: Session, pool: Objects, sample: Sample): Promise<string | undefined> => {
  const answer = await objectBytes(client, repository.id, sample.commit, sample.path);
  if ('status' in answer) return `${sample.path} is not readable: ${answer.message}`;
  const [restored, kept] = await Promise.all([hashOf(answer), keptHash(pool, sample.key)]);
  if (restored.bytes !== sample.size) return `${sample.path} has ${restored.bytes} bytes instead of ${sample.size}`;
  if (MD5.test(sample.checksum) && restored.md5 !== sample.checksum)
    return `${sample.path} has md5 ${restored.md5} instead of ${sample.checksum}`;
  if (kept !== undefined && kept !== restored.sha256) return `${sample.path} is not what the pool has`;
  return undefined;
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

export const hashOf = async (
  body: AsyncIterable<Uint8Array>,
): Promise<{ readonly bytes: number; readonly md5: string; readonly sha256: string }> => {
  const [md5, sha256] = [createHash('md5'), createHash('sha256')];
  let bytes = 0;
  for await (const chunk of body) {
    md5.update(chunk);
    sha256.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, md5: md5.digest('hex'), sha256: sha256.digest('hex') };
};
