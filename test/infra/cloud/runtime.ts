/**
 * A process that runs functions as Lambda does: one invocation after the other. On AWS each function has processes of its own; here
 * one process is now this function and now that, since starting them would be most of what a test does.
 */
interface Invocation {
  readonly id: string;
  readonly name: string;
  /** The bundle of its step. */
  readonly entry: string;
  readonly payload: unknown;
  readonly timeoutMs: number;
}

process.on('message', async ({ id, name, entry, payload, timeoutMs }: Invocation) => {
  // By these requests are told apart: the SDK sends the one as Lambda has it do, and the other is in its user agent.
  Object.assign(process.env, { AWS_LAMBDA_FUNCTION_NAME: name, _X_AMZN_TRACE_ID: `Root=${name}`, AWS_SDK_UA_APP_ID: name });
  const deadline = Date.now() + timeoutMs;
  try {
    const { handler } = await import(entry);
    const answer: unknown = await handler(payload, { awsRequestId: id, getRemainingTimeInMillis: () => deadline - Date.now() });
    process.send?.({ answer: JSON.stringify(answer ?? null) });
  } catch (error) {
    const { name: code, message } = error instanceof Error ? error : new Error(String(error));
    process.send?.({ error: { name: code, message } });
  }
});
process.on('disconnect', () => process.exit());
