import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { from } from 'pg-copy-streams';
import { targetError } from './target-error.ts';
import type { TargetSession } from './target-session.ts';

/** Blocks of COPY data that wait for the socket. In bytes. */
const HIGH_WATER_MARK = 1024 * 1024;

/** Sends `rows` to a COPY … FROM stdin; answers how many rows the server counted. */
export async function copyIn(
  session: TargetSession,
  statement: string,
  rows: AsyncIterable<Uint8Array>,
  doing: string,
  onBytes: (bytes: number) => void,
): Promise<number> {
  const copy = session.client.query(from(statement, { highWaterMark: HIGH_WATER_MARK }));
  try {
    await pipeline(Readable.from(counted(rows, onBytes)), copy);
  } catch (error) {
    throw targetError(error, session.address, doing);
  }
  return copy.rowCount ?? 0;
}

async function* counted(rows: AsyncIterable<Uint8Array>, onBytes: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const block of rows) {
    onBytes(block.length);
    yield block;
  }
}
