import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { pgDump } from '@electric-sql/pglite-tools/pg_dump';
import { frontendMessages, startupReply } from './frontend.ts';
import type { WorkerInput, WorkerResult } from './worker-protocol.ts';

/**
 * Runs pg_dump, whose WebAssembly reads and writes its socket in blocking calls. The socket and its login are the main
 * thread's: this thread waits for each reply.
 */
const { port, flag, args, startup } = workerData as WorkerInput;
const turn = new Int32Array(flag);

/** Sends whole messages and waits for all that the server answers. */
const exchange = (bytes: Uint8Array): Uint8Array => {
  Atomics.store(turn, 0, 0);
  port.postMessage(bytes);
  // In a loop: the wake-up for the reply before may come late, after that reply was seen and read.
  while (Atomics.load(turn, 0) === 0) Atomics.wait(turn, 0, 0);
  const reply: unknown = receiveMessageOnPort(port)?.message;
  if (reply instanceof Uint8Array) return reply;
  throw new Error('no reply from the main thread');
};

const messages = frontendMessages();

/** The little that pgDump needs of a PGlite. */
const server = {
  execProtocolRawStream(bytes: Uint8Array, { onRawData }: { onRawData: (bytes: Uint8Array) => void }) {
    const { kind, bytes: whole } = messages.push(bytes);
    if (kind === 'refuse-encryption') onRawData(Buffer.from('N'));
    else if (kind === 'startup') onRawData(startupReply(startup));
    else if (kind === 'exchange') onRawData(exchange(whole));
  },
  query: async () => ({ rows: [{ search_path: 'pg_catalog' }] }),
  exec: async () => [],
};

const answer = (port: MessagePort, result: WorkerResult) => port.postMessage(result);

try {
  // Only these three members are used, in the version that package.json pins.
  const file = await pgDump({ pg: server as unknown as Parameters<typeof pgDump>[0]['pg'], args: [...args] });
  answer(port, { text: new Uint8Array(await file.arrayBuffer()) });
} catch (error) {
  answer(port, { error: error instanceof Error ? error.message : String(error) });
}
