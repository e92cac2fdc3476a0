import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { LifeboatError } from '../../errors.ts';
import type { Budget } from '../contract.ts';
import { enqueue, indexPath } from './api.ts';
import type { Client } from './client.ts';
import { waitTasks } from './wait-tasks.ts';

/** Raw bytes of one request: far below the 100 MB that an instance takes, and enough for it to work in large steps. */
export const BATCH_BYTES = 10 * 1024 * 1024;

/** Batches that the server has not worked off yet: it would take any number, and fill its disk with them. */
const OPEN_MAX = 8;

const NEWLINE = 0x0a;
const gzip = promisify(zlib.gzip);

/** Cuts lines into batches at line ends; a longer line is a batch of its own. */
export function* batchesOf(lines: Buffer, max: number = BATCH_BYTES): Generator<Buffer> {
  for (let start = 0; start < lines.length; ) {
    let end = lines.length;
    if (end - start > max) {
      const before = lines.lastIndexOf(NEWLINE, start + max - 1);
      const after = before >= start ? before : lines.indexOf(NEWLINE, start);
      end = after === -1 ? lines.length : after + 1;
    }
    yield lines.subarray(start, end);
    start = end;
  }
}

/** Sends one batch; the server numbers its task. Documents of one index are to be sent one batch after the other, so that they keep their order. */
export const postBatch = async (client: Client, index: string, lines: Buffer): Promise<number> => {
  try {
    return await enqueue(client, 'POST', `${indexPath(index)}/documents`, {
      body: { bytes: await gzip(lines, { level: 1 }), type: 'application/x-ndjson', encoding: 'gzip' },
    });
  } catch (error) {
    if (!(error instanceof LifeboatError && error.message.includes('payload_too_large'))) throw error;
    const halves = [...batchesOf(lines, Math.ceil(lines.length / 2))];
    if (halves.length < 2) throw error;
    let last = -1;
    for (const half of halves) last = await postBatch(client, index, half);
    return last;
  }
};

/** Keeps the number of open tasks bounded; answers those that are. */
export const throttle = async (client: Client, tasks: readonly number[], budget: Budget): Promise<readonly number[]> =>
  tasks.length < OPEN_MAX ? tasks : waitTasks(client, tasks, budget, OPEN_MAX / 2);
