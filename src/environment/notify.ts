import { z } from 'zod';
import { LifeboatError } from '../errors.ts';
import type { Deployment } from './deployment.ts';

export type Webhook = NonNullable<NonNullable<Deployment['notifications']>['webhooks']>[number];

/** What EventBridge tells of an execution that ended, and of an alarm that changed. */
const EventSchema = z.union([
  z.object({
    'detail-type': z.literal('Step Functions Execution Status Change'),
    detail: z.object({
      status: z.string(),
      executionArn: z.string(),
      stateMachineArn: z.string(),
      error: z.string().nullish(),
      cause: z.string().nullish(),
    }),
  }),
  z.object({
    'detail-type': z.literal('CloudWatch Alarm State Change'),
    detail: z.object({
      alarmName: z.string(),
      state: z.object({ value: z.string() }),
      configuration: z.object({ description: z.string().optional() }).optional(),
    }),
  }),
]);

export type CloudEvent = z.infer<typeof EventSchema>;

export interface Notice {
  readonly kind: 'success' | 'failure';
  readonly of: 'execution' | 'alarm';
  /** `prod-catalog-backup`, or the alarm's name. */
  readonly about: string;
  readonly text: string;
}

/** A webhook that does not answer must not hold up the others, in milliseconds. */
const ANSWER_MS = 10_000;

const last = (arn: string): string => arn.slice(arn.lastIndexOf(':') + 1);

/** Fails with Usage on what is neither. */
export const parseEvent = (raw: unknown): CloudEvent => {
  const parsed = EventSchema.safeParse(raw);
  if (parsed.success) return parsed.data;
  throw new LifeboatError('Usage', 'not an event of an execution or of an alarm', {
    hint: 'EventBridge calls this function.',
    cause: parsed.error,
  });
};

export const noticeOf = (event: CloudEvent): Notice => {
  if (event['detail-type'] === 'CloudWatch Alarm State Change') {
    const { alarmName, state, configuration } = event.detail;
    const text = `${alarmName} is ${state.value}. ${configuration?.description ?? ''}`.trim();
    return { kind: state.value === 'OK' ? 'success' : 'failure', of: 'alarm', about: alarmName, text };
  }
  const { status, executionArn, stateMachineArn } = event.detail;
  const about = last(stateMachineArn);
  const text = [`${about} ${status}`, ...whyOf(event.detail), executionArn].join(': ');
  return { kind: status === 'SUCCEEDED' ? 'success' : 'failure', of: 'execution', about, text };
};

/** Of a cause; the rest is in the execution. */
const CAUSE_MAX = 300;

/** Its error, and the first line of its cause, unless that is a document: the proof of a drill. */
const whyOf = ({ error, cause }: { readonly error?: string | null | undefined; readonly cause?: string | null | undefined }): string[] => {
  const [line = ''] = (cause ?? '').split('\n');
  return [error ?? '', line.startsWith('{') ? '' : line.slice(0, CAUSE_MAX)].filter((text) => text !== '');
};

/** Whether a webhook wants to know. A ping is for successes of machines only: whoever expects it alarms when it stays away. */
export const wants = (webhook: Webhook, { kind, of, about }: Notice): boolean =>
  (webhook.format === 'slack' || (kind === 'success' && of === 'execution')) &&
  (webhook.on === 'always' || webhook.on === kind) &&
  (webhook.about === undefined || webhook.about.some((name) => about === name));

interface World {
  secret(reference: string): Promise<string>;
  readonly fetch: typeof globalThis.fetch;
}

/** Tells all that want to know. Fails at the end if one did not take it, so that EventBridge tries again; never names its URL. */
export const deliver = async (webhooks: readonly Webhook[], notice: Notice, world: World): Promise<number> => {
  const wanted = webhooks.filter((webhook) => wants(webhook, notice));
  const outcomes = await Promise.allSettled(wanted.map((webhook) => send(webhook, notice, world)));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return wanted.length;
};

const send = async ({ url, format }: Webhook, { text }: Notice, world: World): Promise<void> => {
  const target = await world.secret(url);
  const request: RequestInit =
    format === 'ping'
      ? { method: 'GET' }
      : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ text }) };
  const failed = (why: string): LifeboatError =>
    new LifeboatError('ConnectionLost', `webhook ${url} ${why}`, { hint: 'The secret holds its URL; is it still good?' });
  // The cause would quote the URL, which is a secret.
  const answer = await world.fetch(target, { ...request, signal: AbortSignal.timeout(ANSWER_MS) }).catch(() => {
    throw failed('did not answer');
  });
  if (!answer.ok) throw failed(`answered ${answer.status}`);
};
