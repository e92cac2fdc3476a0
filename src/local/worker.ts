import { channel } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { z } from 'zod';
import { giveWorld } from '../environment/bundled.ts';
import type { FromWorker } from './pool.ts';

/**
 * One pooled process that runs functions as Lambda would: one invocation at a time, warm between them, with every connection
 * cut when the handler returns, since a frozen function keeps none.
 */

const Message = z.discriminatedUnion('type', [
  z.object({ type: z.literal('world'), raw: z.unknown(), name: z.string(), root: z.string() }),
  z.object({
    type: z.literal('invoke'),
    id: z.string(),
    step: z.string().regex(/^[a-z-]+$/),
    payload: z.unknown(),
    timeoutMs: z.number(),
    handBackAfterMs: z.number().optional(),
  }),
]);

const send = (message: FromWorker): void => {
  process.send?.(message);
};

const sockets = new Set<Socket>();
channel('net.client.socket').subscribe((message) => {
  const { socket } = message as { socket: Socket };
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
});

const cutConnections = (): void => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
};

const invoke = async ({
  id,
  step,
  payload,
  timeoutMs,
  handBackAfterMs,
}: Extract<z.infer<typeof Message>, { type: 'invoke' }>): Promise<void> => {
  const deadline = Date.now() + timeoutMs;
  try {
    const { handler } = await import(new URL(`../../functions/${step}.ts`, import.meta.url).href);
    const answer: unknown = await handler(payload, {
      awsRequestId: id,
      getRemainingTimeInMillis: () => deadline - Date.now(),
      handBackAfterMs,
    });
    cutConnections();
    send({ type: 'answer', payload: JSON.stringify(answer ?? null) });
  } catch (error) {
    cutConnections();
    const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
    send({ type: 'error', name, message, stack: stack ?? '' });
  }
};

process.on('message', (raw: unknown) => {
  const message = Message.parse(raw);
  if (message.type === 'invoke') void invoke(message);
  else giveWorld(message.raw, message, (progress) => send({ type: 'progress', progress }));
});
// The parent decides when work ends; a Ctrl-C of the terminal reaches every process of its group.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit(0));
