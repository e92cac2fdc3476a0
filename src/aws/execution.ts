import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DescribeExecutionCommand,
  type DescribeExecutionOutput,
  type SFNClient,
  StartExecutionCommand,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn';
import type { Json } from '../backup/types.ts';
import type { Run } from '../cli/engine.ts';
import type { MachineName } from '../environment/names.ts';
import { LifeboatError } from '../errors.ts';
import { parseJson } from '../json.ts';
import type { Ended, MachineInput } from '../machines/ended.ts';
import { asked } from './clients.ts';
import { isMissing, isPassing } from './errors.ts';
import { regionOf } from './history.ts';
import { type Deployed, lastPart, liveArn } from './machine.ts';
import { openWatch } from './watch.ts';

/** How an execution is followed, in milliseconds. Tests lower it. */
export interface Patience {
  /** Between two looks at something that moves … */
  readonly firstMs: number;
  /** … and, growing, at something that does not. DescribeExecution may be asked 15 times a second by a whole account. */
  readonly longestMs: number;
  /** An execution that was started a moment ago may not be known everywhere yet. */
  readonly unknownMs: number;
  /** AWS that does not answer, or is asked too often, is asked again for as long. */
  readonly silentMs: number;
  /** An execution that was stopped ends within seconds: nothing catches it. */
  readonly stopMs: number;
}

export const PATIENCE: Patience = { firstMs: 1_000, longestMs: 10_000, unknownMs: 30_000, silentMs: 600_000, stopMs: 60_000 };

const GROWTH = 1.5;

export interface Following {
  readonly deployed: Deployed;
  readonly client: SFNClient;
  readonly patience: Patience;
  /** What becomes of an execution that nobody waits for any more. */
  readonly onInterrupt: 'leave' | 'stop';
}

/** Starts the deployed machine and follows it to its end. */
export const execute = async (following: Following, machine: MachineName, input: MachineInput, run: Run): Promise<Ended> => {
  run.signal.throwIfAborted();
  const execution = await start(following, machine, input);
  try {
    run.signal.throwIfAborted();
    return await follow(following, execution, machine, run);
  } catch (error) {
    if (!run.signal.aborted) throw goesOn(error, execution);
    throw await interrupted(following, execution);
  }
};

/**
 * With a name of its own: if the answer is lost, the SDK asks again, and gets the execution that it started. Not interrupted half-way:
 * nobody would know what was started.
 */
const start = async ({ deployed, client }: Following, machine: MachineName, input: MachineInput): Promise<string> => {
  const stateMachineArn = liveArn(deployed, input.source, machine);
  const name = `cli-${new Date().toISOString().replace(/[-:]|\.\d+/g, '')}-${randomUUID().slice(0, 8)}`;
  const deed = { action: 'states:StartExecution', resource: stateMachineArn, region: deployed.deployment.region };
  const request = new StartExecutionCommand({ stateMachineArn, name, input: JSON.stringify(input) });
  const { executionArn } = await asked(deed, undefined, () => client.send(request));
  if (executionArn === undefined) throw new LifeboatError('Unsupported', `StartExecution of ${stateMachineArn} answered without an ARN`);
  return executionArn;
};

/** Looks again and again until the execution has ended. What is known of its progress is told; only its state counts. */
const follow = async (following: Following, execution: string, machine: MachineName, run: Run): Promise<Ended> => {
  const { client, patience } = following;
  const watch = openWatch(client, execution, machine, run.report);
  const started = Date.now();
  let heard = started;
  let silent = false;
  for (let pause = patience.firstMs; ; ) {
    try {
      const described = await describe(client, execution, run.signal);
      const news = await watch.look(run.signal);
      heard = Date.now();
      silent = false;
      if (described.status !== 'RUNNING') return endedAs(execution, described);
      pause = news ? patience.firstMs : Math.min(patience.longestMs, pause * GROWTH);
    } catch (error) {
      const known = isMissing(error)
        ? Date.now() - started < patience.unknownMs
        : isPassing(error) && Date.now() - heard < patience.silentMs;
      if (isMissing(error) && !known) throw lost(execution, error);
      if (!known) throw error;
      if (!silent && isPassing(error) && error instanceof Error)
        run.report({ type: 'warning', message: `${error.message}; the execution goes on` });
      silent = true;
      pause = Math.min(patience.longestMs, pause * GROWTH);
    }
    await sleep(pause, undefined, { signal: run.signal });
  }
};

const describe = (client: SFNClient, execution: string, signal: AbortSignal | undefined): Promise<DescribeExecutionOutput> =>
  asked({ action: 'states:DescribeExecution', resource: execution, region: regionOf(execution) }, signal, () =>
    client.send(new DescribeExecutionCommand({ executionArn: execution }), signal === undefined ? {} : { abortSignal: signal }),
  );

/** An execution that somebody stopped, or that ran out of time, has no error of Lifeboat; it gets one. */
const endedAs = (execution: string, { status, output, error = '', cause = '', stopDate }: DescribeExecutionOutput): Ended => {
  const at = stopDate === undefined ? '' : ` at ${stopDate.toISOString()}`;
  switch (status) {
    case 'SUCCEEDED':
      return { execution, outcome: { status, output: parsed(output, execution) } };
    case 'FAILED':
      return { execution, outcome: { status, error, cause } };
    case 'TIMED_OUT':
      throw new LifeboatError('ExecutionTimedOut', `execution ${lastPart(execution)} ran longer than its machine may${at}`, {
        hint: 'Nothing that was good is lost; the janitor gives back what it held. More concurrency makes it shorter.',
      });
    default:
      throw new LifeboatError(
        'ExecutionAborted',
        `execution ${lastPart(execution)} was stopped${at}${error === '' ? '' : `: ${error} ${cause}`.trimEnd()}`,
        {
          hint: 'Nothing that was good is lost; the janitor gives back what it held. Start it again.',
        },
      );
  }
};

const parsed = (output: string | undefined, execution: string): Json => {
  try {
    return parseJson(output ?? 'null');
  } catch (cause) {
    throw new LifeboatError('Unsupported', `the output of execution ${execution} is not JSON`, { cause });
  }
};

const lost = (execution: string, cause: unknown): LifeboatError =>
  new LifeboatError('NoSuchExecution', `Step Functions does not know ${execution} any more`, {
    hint: 'Was the machine deleted, or deployed to another place? `lifeboat executions` shows what there is.',
    cause,
  });

/** Whatever ended the following, the execution itself does not end by it. */
const goesOn = (error: unknown, execution: string): unknown => {
  const own = ['ExecutionTimedOut', 'ExecutionAborted', 'NoSuchExecution'];
  if (!(error instanceof LifeboatError) || own.includes(error.code)) return error;
  return new LifeboatError(error.code, `${error.message}; execution ${execution} goes on`, { hint: error.hint, cause: error });
};

const interrupted = async ({ client, patience, onInterrupt }: Following, execution: string): Promise<LifeboatError> => {
  const name = lastPart(execution);
  if (onInterrupt === 'leave')
    return new LifeboatError('Interrupted', `interrupted; execution ${name} goes on`, {
      hint: `See \`lifeboat logs ${name}\`. To stop it: aws stepfunctions stop-execution --execution-arn ${execution}, or --stop-on-interrupt next time.`,
    });
  await asked({ action: 'states:StopExecution', resource: execution, region: regionOf(execution) }, undefined, () =>
    client.send(new StopExecutionCommand({ executionArn: execution, error: 'Interrupted', cause: 'stopped from the command line' })),
  );
  for (const end = Date.now() + patience.stopMs; Date.now() < end; await sleep(patience.firstMs)) {
    if ((await describe(client, execution, undefined)).status !== 'RUNNING')
      return new LifeboatError('Interrupted', `interrupted; execution ${name} was stopped`, {
        hint: 'Nothing that was good is lost; the janitor gives back what it held. Run it again.',
      });
  }
  return new LifeboatError('Interrupted', `interrupted; execution ${name} was told to stop and still runs`, {
    hint: 'See `lifeboat executions`.',
  });
};
