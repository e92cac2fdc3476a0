import { CloudWatchLogsClient, FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { DescribeExecutionCommand, type HistoryEvent, type SFNClient } from '@aws-sdk/client-sfn';
import { z } from 'zod';
import type { ExecutionInfo, LogLine } from '../cli/engine.ts';
import { functionLogs } from '../environment/names.ts';
import { LifeboatError } from '../errors.ts';
import { parseIfJson } from '../json.ts';
import { asked, clientOptions } from './clients.ts';
import { isMissing } from './errors.ts';
import { machinesOf } from './executions.ts';
import { eventsAfter, nestedOf } from './history.ts';
import { type Deployed, lastPart, machineArn } from './machine.ts';

/** A function writes its last lines after its execution has ended: they are delivered later, in milliseconds. */
const LATE_MS = 60_000;

/** Lines of functions that are read; the command keeps the last of them. */
const LINES_MAX = 20_000;

/** What an execution did, and what functions of its source printed meanwhile, by time. */
export const logsOf = async (deployed: Deployed, client: SFNClient, wanted: Wanted): Promise<readonly LogLine[]> => {
  const { execution, source } = wanted;
  const deed = { action: 'states:DescribeExecution', resource: execution, region: deployed.deployment.region };
  const described = await asked(deed, undefined, () => client.send(new DescribeExecutionCommand({ executionArn: execution }))).catch(
    (error) => {
      if (isMissing(error)) throw unknown(lastPart(execution));
      throw error;
    },
  );
  const from = described.startDate ?? new Date(0);
  const until = new Date((described.stopDate ?? new Date()).getTime() + LATE_MS);
  const lines = [...(await happened(client, execution)), ...(await printed(deployed, source, from, until))];
  return lines.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
};

export interface Wanted {
  readonly execution: string;
  readonly source: string;
}

/** The execution of an ARN or of a name at its end; the newest one where none is given. Fails with NoSuchExecution. */
export const wantedOf = async (
  deployed: Deployed,
  client: SFNClient,
  word: string | undefined,
  newest: () => Promise<readonly ExecutionInfo[]>,
): Promise<Wanted> => {
  const machines = machinesOf(deployed);
  const named = (execution: string): Wanted => {
    const of = machines.find(({ arn }) => execution.startsWith(`${arn.replace(':stateMachine:', ':execution:')}:`));
    if (of === undefined) throw unknown(execution);
    return { execution, source: of.source };
  };
  if (word === undefined) {
    const [first] = await newest();
    if (first === undefined) throw new LifeboatError('NoSuchExecution', 'nothing has run there yet');
    return named(first.execution);
  }
  if (word.startsWith('arn:')) return named(word);
  for (const { source, machine } of machines) {
    const execution = `${machineArn(deployed, source, machine).replace(':stateMachine:', ':execution:')}:${word}`;
    const deed = { action: 'states:DescribeExecution', resource: execution, region: deployed.deployment.region };
    try {
      await asked(deed, undefined, () => client.send(new DescribeExecutionCommand({ executionArn: execution })));
      return { execution, source };
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
  throw unknown(word);
};

const unknown = (word: string): LifeboatError =>
  new LifeboatError('NoSuchExecution', `no execution ${word}`, { hint: 'See `lifeboat executions`.' });

const happened = async (client: SFNClient, main: string): Promise<readonly LogLine[]> => {
  const lines: LogLine[] = [];
  const open = [main];
  for (let execution = open.shift(); execution !== undefined; execution = open.shift()) {
    for (const event of await eventsAfter(client, execution, 0, new AbortController().signal)) {
      const nested = nestedOf(event);
      if (nested !== undefined) open.push(nested);
      const line = lineOf(event);
      if (line !== undefined) lines.push(line);
    }
  }
  return lines;
};

/** What happened, without the data; as a local execution is logged. */
const lineOf = (event: HistoryEvent): LogLine | undefined => {
  const { type = '', timestamp, stateEnteredEventDetails } = event;
  const failed = /Failed$|TimedOut$|Aborted$/.test(type);
  if (!failed && !type.endsWith('StateEntered') && !type.startsWith('Execution') && !type.startsWith('MapRun')) return undefined;
  const state = stateEnteredEventDetails?.name === undefined ? '' : ` ${stateEnteredEventDetails.name}`;
  const details =
    event.executionFailedEventDetails ??
    event.executionAbortedEventDetails ??
    event.executionTimedOutEventDetails ??
    event.taskFailedEventDetails ??
    event.taskTimedOutEventDetails ??
    event.mapRunFailedEventDetails;
  const why = details?.error === undefined ? '' : ` ${details.error}: ${details.cause ?? ''}`;
  return { at: (timestamp ?? new Date(0)).toISOString(), text: `${type}${state}${why}` };
};

/** Lines of all functions of the source: one that was killed has no line that names its execution. */
const printed = async ({ environment, deployment }: Deployed, source: string, from: Date, until: Date): Promise<readonly LogLine[]> => {
  const client = new CloudWatchLogsClient(clientOptions(deployment));
  const logGroupName = functionLogs(environment.name, source);
  const lines: LogLine[] = [];
  try {
    let nextToken: string | undefined;
    do {
      const page = await asked({ action: 'logs:FilterLogEvents', resource: logGroupName, region: deployment.region }, undefined, () =>
        client.send(new FilterLogEventsCommand({ logGroupName, startTime: from.getTime(), endTime: until.getTime(), nextToken })),
      );
      for (const { timestamp = 0, message = '', logStreamName = '' } of page.events ?? [])
        lines.push({
          at: new Date(timestamp).toISOString(),
          text: `${stepOf(logStreamName, environment.name, source)}${toldIn(message.trimEnd())}`,
        });
      nextToken = page.nextToken;
    } while (nextToken !== undefined && lines.length < LINES_MAX);
    return lines;
  } catch (error) {
    if (!isMissing(error)) throw error;
    // What the execution did is worth showing all the same.
    return [...lines, { at: until.toISOString(), text: `there is no log group ${logGroupName}: what functions printed is not known` }];
  } finally {
    client.destroy();
  }
};

/** Fields of a structured line that every line has, or that are told by where it stands. */
const SHARED = /^(timestamp|level|message|service|environment|source|function_name|function_request_id|sampling_rate|xray_trace_id)$/;

/** A structured line as people read it: `INFO done stage=dump rows=7`. Any other line is as it is. */
const toldIn = (message: string): string => {
  const line = StructuredSchema.safeParse(parseIfJson(message));
  if (!line.success) return message;
  const more = Object.entries(line.data).filter(([name, value]) => !SHARED.test(name) && value !== undefined && value !== '');
  return [
    line.data.level,
    line.data.message,
    ...more.map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`),
  ].join(' ');
};

const StructuredSchema = z.looseObject({ level: z.string(), message: z.string() });

/** With a log group of its own choice, Lambda names a stream `2026/11/21/prod-catalog-dump-task[$LATEST]<id>`. */
const stepOf = (stream: string, environment: string, source: string): string => {
  const name = /([^/[]+)\[/.exec(stream)?.[1];
  return name === undefined ? '' : `${name.replace(`${environment}-${source}-`, '')}: `;
};
