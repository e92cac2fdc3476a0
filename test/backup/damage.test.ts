import { describe, expect, it } from 'vitest';
import { namingDamage } from '../../src/backup/damage.ts';
import { ordinal } from '../../src/backup/ordinal.ts';
import { segmentSink, segmentSource } from '../../src/backup/segments.ts';
import { LifeboatError } from '../../src/errors.ts';
import { memoryStore } from '../../src/stores/memory.ts';
import type { Store } from '../../src/stores/store.ts';
import { streamOf } from '../support/bytes.ts';
import { memorySpool } from '../support/memory-spool.ts';
import { ample, taskContextWith } from '../support/stages.ts';

const PREFIX = 'sea/backups/20261121T013000Z-4f2a/';
const RAW = 'row\n'.repeat(1000);

/** A segment as it is; the reads of it are counted, and the store hands out `damage` of its bytes. */
const stored = async (damage: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes) => {
  const inner = memoryStore();
  const segment = await segmentSink(inner, PREFIX, memorySpool, ample.signal).write(ordinal(1, 0), streamOf(RAW), {
    encoding: 'identity',
    extension: 'sql',
  });
  const seen = { reads: 0 };
  const store: Store = {
    ...inner,
    async *read(...call) {
      seen.reads++;
      for await (const bytes of inner.read(...call)) {
        const all = damage(bytes);
        yield all.subarray(0, 100);
        yield all.subarray(100);
      }
    },
  };
  const context = { ...taskContextWith(ample), read: segmentSource(store, PREFIX) };
  return { segment, context, seen };
};

const flipped = (bytes: Uint8Array): Uint8Array => {
  const copy = Uint8Array.from(bytes);
  copy[50] = (copy[50] ?? 0) ^ 4;
  return copy;
};

const refused = new LifeboatError('TargetProblem', 'missing data for column "b"');

/** A task that stops at the first bytes, with this error. */
const failing = async ({ context, segment }: Awaited<ReturnType<typeof stored>>, error: unknown) =>
  namingDamage(context, async ({ read }) => {
    for await (const _ of read.read(segment)) throw error;
  }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );

describe('a task that fails over a segment that it had begun to read', () => {
  it('fails with SegmentMismatch when the segment is not what was written, and says what was met first', async () => {
    const error = await failing(await stored(flipped), refused);
    expect(error).toMatchObject({ code: 'SegmentMismatch', hint: expect.stringContaining('restore another'), cause: refused });
    expect((error as Error).message).toMatch(/another sha256.*missing data for column/);
  });

  it('fails as it did when the segment is as it was written', async () => {
    const at = await stored();
    expect(await failing(at, refused)).toBe(refused);
    expect(at.seen.reads).toBe(2);
  });

  it('reads nothing again for an error that is tried again', async () => {
    const lost = new LifeboatError('ConnectionLost', 'gone');
    const at = await stored(flipped);
    expect(await failing(at, lost)).toBe(lost);
    expect(at.seen.reads).toBe(1);
  });

  it('reads nothing again of a segment that it had read to its end', async () => {
    const at = await stored();
    const run = namingDamage(at.context, async ({ read }) => {
      for await (const _ of read.read(at.segment));
      throw refused;
    });
    await expect(run).rejects.toBe(refused);
    expect(at.seen.reads).toBe(1);
  });
});
