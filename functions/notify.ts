import { z } from 'zod';
import { deliver, noticeOf, parseEvent } from '../src/environment/notify.ts';
import { step } from './step.ts';

/** Tells webhooks how executions ended and which alarms went off; EventBridge calls it. */
export const handler = step(z.unknown(), async (event, { runtime, environment }) => {
  const webhooks = environment.deployment?.notifications?.webhooks ?? [];
  return { told: await deliver(webhooks, noticeOf(parseEvent(event)), { secret: runtime.services.secret, fetch }) };
});
