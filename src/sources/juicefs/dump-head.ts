import { loadDigest } from '../../backup/digest.ts';
import { ordinal } from '../../backup/ordinal.ts';
import type { ClassDigest, Json, Segment } from '../../backup/types.ts';
import type { TaskContext } from '../contract.ts';
import type { JuicefsAddress } from './address.ts';
import { factsOfHead } from './conclude.ts';
import type { Head } from './model.ts';
import { headDigests } from './read/rows.ts';
import { headText } from './read/stream.ts';

export interface HeadDone {
  readonly segment: Segment;
  readonly digests: readonly ClassDigest[];
  readonly facts: Json;
}

/** Writes all that stands before the trees. */
export const dumpHead = async (address: JuicefsAddress, head: Head, context: TaskContext): Promise<HeadDone> => {
  const segment = await context.write.write(ordinal(context.task, 0), once(headText(address, head)), {
    encoding: 'zstd',
    extension: 'json.zst',
    context: { kind: 'head' },
  });
  return { segment, digests: headDigests(await loadDigest(), head), facts: factsOfHead(address, head) };
};

async function* once(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text, 'utf8');
}
