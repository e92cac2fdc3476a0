/** A process that is one function, as Lambda runs it: loads the bundle's entry once, then answers one invocation after the other. */
import { flushCompileCache } from 'node:module';

const [entry = ''] = process.argv.slice(2);

const { handler } = await import(entry);

process.on('message', async (message: { readonly id: string; readonly payload: unknown; readonly timeoutMs: number }) => {
  const deadline = Date.now() + message.timeoutMs;
  try {
    const answer: unknown = await handler(message.payload, {
      awsRequestId: message.id,
      getRemainingTimeInMillis: () => deadline - Date.now(),
    });
    process.send?.({ answer: JSON.stringify(answer ?? null) });
    // Its siblings start faster; a process that is killed leaves nothing by itself.
    flushCompileCache();
  } catch (error) {
    const { name, message: text } = error instanceof Error ? error : new Error(String(error));
    process.send?.({ error: { name, message: text } });
  }
});
process.on('disconnect', () => process.exit());
process.send?.({ ready: true });
