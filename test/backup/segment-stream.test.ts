import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { BLOCK_BYTES, type BlockPool, blockPool, openSegment } from '../../src/backup/segment-stream.ts';
import type { Segment } from '../../src/backup/types.ts';
import { exampleSegment } from './examples.ts';

const HALF = Buffer.alloc(BLOCK_BYTES / 2, 'x');

/** A writer that keeps what it gets, and gives each block back. */
const keeping = (pool: BlockPool) => {
  const kept: Buffer[] = [];
  const write = async (blocks: AsyncIterable<Uint8Array>): Promise<Segment> => {
    for await (const block of blocks) {
      kept.push(Buffer.from(block));
      pool.giveBack(block);
    }
    return exampleSegment(0);
  };
  return { kept, write };
};

const counted = (): { readonly pool: BlockPool; readonly made: Set<ArrayBufferLike> } => {
  const own = blockPool();
  const made = new Set<ArrayBufferLike>();
  return {
    made,
    pool: {
      take() {
        const block = own.take();
        made.add(block.buffer);
        return block;
      },
      giveBack: own.giveBack,
    },
  };
};

describe('a segment that is filled while it is stored', () => {
  it('brings every byte in order, from buffers that are used again', async () => {
    const { pool, made } = counted();
    const { kept, write } = keeping(pool);
    const stream = openSegment(write, pool);
    stream.text('begin\n');
    for (let i = 0; i < 40; i++) {
      stream.put(HALF, 0, HALF.length);
      await stream.pressure();
      await sleep(0);
    }
    stream.text('end\n');
    stream.end();
    await stream.written;
    expect(Buffer.concat(kept).equals(Buffer.concat([Buffer.from('begin\n'), ...Array(40).fill(HALF), Buffer.from('end\n')]))).toBe(true);
    expect(stream.rawBytes).toBe(40 * HALF.length + 10);
    expect(made.size).toBeLessThan(8);
  });

  it('takes what is as long as a block without copying it, and never fills it again', async () => {
    const pool = blockPool();
    const { kept, write } = keeping(pool);
    const stream = openSegment(write, pool);
    const long = Buffer.alloc(BLOCK_BYTES * 2 + 5, 'l');
    stream.text('a');
    stream.put(long, 0, long.length);
    stream.text('z');
    stream.end();
    await stream.written;
    expect(Buffer.concat(kept).equals(Buffer.concat([Buffer.from('a'), long, Buffer.from('z')]))).toBe(true);
    expect(pool.take().buffer).not.toBe(long.buffer);
  });

  it('makes whoever fills it wait while the writer is behind', async () => {
    const go = Promise.withResolvers<void>();
    const stream = openSegment(async (blocks) => {
      await go.promise;
      for await (const _ of blocks);
      return exampleSegment(0);
    });
    for (let i = 0; i < 6; i++) stream.put(HALF, 0, HALF.length);
    const pressure = stream.pressure();
    expect(pressure).toBeInstanceOf(Promise);
    go.resolve();
    await pressure;
    stream.end();
    await stream.written;
  });

  it('tells whoever fills it that the store failed', async () => {
    const stream = openSegment(async () => {
      throw new Error('the store is full');
    });
    await expect(stream.written).rejects.toThrow('the store is full');
    await expect(stream.pressure()).rejects.toThrow('the store is full');
  });

  it('tells the writer that the reader failed', async () => {
    const stream = openSegment(async (blocks) => {
      for await (const _ of blocks);
      return exampleSegment(0);
    });
    stream.text('half a ');
    stream.fail(new Error('the source is gone'));
    await expect(stream.written).rejects.toThrow('the source is gone');
  });

  it('gives no block out to two', () => {
    const pool = blockPool();
    const block = pool.take();
    pool.giveBack(block);
    pool.giveBack(block.subarray(0, 10));
    expect(pool.take().buffer).toBe(block.buffer);
    expect(pool.take().buffer).not.toBe(block.buffer);
  });
});
