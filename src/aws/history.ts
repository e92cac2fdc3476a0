import { GetExecutionHistoryCommand, type HistoryEvent, type SFNClient } from '@aws-sdk/client-sfn';
import { parseIfJson } from '../json.ts';
import { asked } from './clients.ts';

/** Events that one request asks for; a look that finds more asks again. */
const PAGE = 200;

/** An execution has no more than this, says its quota. */
const EVENTS_MAX = 25_000;

/**
 * Events after `seen`, oldest first. Asked for from the newest backwards: a look at a running execution costs one request,
 * however long its history is.
 */
export const eventsAfter = async (
  client: SFNClient,
  execution: string,
  seen: number,
  signal: AbortSignal,
): Promise<readonly HistoryEvent[]> => {
  // By id: a history that grows between two pages may repeat an event.
  const found = new Map<number, HistoryEvent>();
  let nextToken: string | undefined;
  do {
    const page = await asked({ action: 'states:GetExecutionHistory', resource: execution, region: regionOf(execution) }, signal, () =>
      client.send(
        new GetExecutionHistoryCommand({
          executionArn: execution,
          reverseOrder: true,
          maxResults: PAGE,
          includeExecutionData: true,
          nextToken,
        }),
        { abortSignal: signal },
      ),
    );
    const events = page.events ?? [];
    for (const event of events) if (event.id !== undefined && event.id > seen) found.set(event.id, event);
    nextToken = events.some(({ id = 0 }) => id <= seen) ? undefined : page.nextToken;
  } while (nextToken !== undefined && found.size < EVENTS_MAX);
  return [...found.values()].sort((a, b) => (a.id ?? 0) - (b.id ?? 0));
};

/** The fourth part of an ARN. */
export const regionOf = (arn: string): string => arn.split(':')[3] ?? '';

/** The nested execution that a task has begun; its ARN is in what `startExecution` answered. */
export const nestedOf = ({ taskSubmittedEventDetails: details }: HistoryEvent): string | undefined => {
  if (details?.resourceType !== 'states' || details.output === undefined) return undefined;
  const answer: unknown = parseIfJson(details.output);
  return typeof answer === 'object' && answer !== null && 'ExecutionArn' in answer ? String(answer.ExecutionArn) : undefined;
};
