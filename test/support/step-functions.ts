import { randomUUID } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Json } from '../../src/backup/types.ts';
import { LifeboatError } from '../../src/errors.ts';
import { realClock } from '../../src/local/asl/clock.ts';
import { failureOf } from '../../src/local/asl/errors.ts';
import type { HistoryEvent } from '../../src/local/asl/history.ts';
import { runMachine } from '../../src/local/asl/machine.ts';
import type { NestedExecution, World } from '../../src/local/asl/world.ts';
import { definitionOf } from '../../src/local/machines.ts';
import type { Store } from '../../src/stores/store.ts';

/** The API of Step Functions and of CloudWatch Logs over HTTP, as the real clients speak it; our interpreter runs the machines. */
export interface StepFunctions {
  readonly endpoint: string;
  /** What was asked, in order. */
  readonly requests: readonly { readonly action: string; readonly body: Readonly<Record<string, Json>> }[];
  /** Answers the next requests of an action in place of doing it. */
  fault(action: string, answer: Fault, times?: number): void;
  /** Forgets an execution, as if its machine had been deleted. */
  lose(executionArn: string): void;
  /** Ends it from outside, or as its machine's timeout would. */
  end(executionArn: string, status: 'ABORTED' | 'TIMED_OUT'): void;
  readonly executions: ReadonlyMap<string, Execution>;
  stop(): Promise<void>;
}

export type Fault = { readonly status: number; readonly type: string; readonly message?: string } | 'hang up';

/** A request in whichever protocol a service speaks. */
export interface Asked {
  readonly method: string;
  readonly url: URL;
  /** `TrentService.DescribeKey`, or the Action of a query; empty where the path says it. */
  readonly action: string;
  readonly body: string;
}

export interface Answer {
  readonly status: number;
  /** An object is JSON, a text is XML. */
  readonly json: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Execution {
  readonly arn: string;
  readonly machine: string;
  readonly started: number;
  readonly input: Json;
  status: 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED';
  ended?: number;
  output?: Json;
  error?: string;
  cause?: string;
  readonly events: object[];
  readonly stop: AbortController;
}

interface MapRun {
  status: string;
  readonly counts: { total: number; running: number; succeeded: number; failed: number };
}

export interface StepFunctionsOptions {
  /** `prod-catalog`: machines are named after it. */
  readonly prefix: string;
  readonly region: string;
  readonly account: string;
  /** Calls a function by its step. */
  readonly invoke: (step: string, payload: Json) => Promise<Json>;
  readonly control?: Store;
  /** Answers what is asked of other services: Lambda, KMS, EC2, S3, STS. */
  readonly other?: (asked: Asked) => Answer | undefined;
  /** Lines of functions, as CloudWatch keeps them. */
  readonly printed?: readonly { readonly timestamp: number; readonly logStreamName: string; readonly message: string }[];
}

const DETAILS: Readonly<Record<string, string>> = {
  ExecutionFailed: 'executionFailedEventDetails',
  ExecutionAborted: 'executionAbortedEventDetails',
  ExecutionTimedOut: 'executionTimedOutEventDetails',
  TaskFailed: 'taskFailedEventDetails',
  MapRunFailed: 'mapRunFailedEventDetails',
};

const isEntered = (type: string): boolean => type.endsWith('StateEntered');

export const startStepFunctions = async (options: StepFunctionsOptions): Promise<StepFunctions> => {
  const { prefix, region, account } = options;
  const executions = new Map<string, Execution>();
  const mapRuns = new Map<string, MapRun>();
  const faults = new Map<string, Fault[]>();
  const requests: { action: string; body: Readonly<Record<string, Json>> }[] = [];
  const place = `arn:aws:states:${region}:${account}`;
  const machines = new Map<string, unknown>();
  for (const machine of ['backup', 'restore', 'drill'] as const)
    machines.set(`${place}:stateMachine:${prefix}-${machine}`, await definitionOf(machine));

  const note = (execution: Execution, type: string, details: object = {}, at = Date.now()): void => {
    execution.events.push({ id: execution.events.length + 1, timestamp: at / 1000, type, ...details });
  };

  const onEvent = (execution: Execution, event: HistoryEvent): void => {
    const { type, details, at } = event;
    if (event.execution !== execution.arn) {
      countChild(event);
      return;
    }
    const name = DETAILS[type];
    if (type === 'MapRunStarted' && details.resource !== undefined) {
      mapRuns.set(details.resource, { status: 'RUNNING', counts: { total: details.items ?? 0, running: 0, succeeded: 0, failed: 0 } });
      note(execution, type, { mapRunStartedEventDetails: { mapRunArn: details.resource } }, at);
      return;
    }
    const run = details.resource === undefined ? undefined : mapRuns.get(details.resource);
    if (run !== undefined) run.status = type === 'MapRunSucceeded' ? 'SUCCEEDED' : 'FAILED';
    if (isEntered(type)) note(execution, type, { stateEnteredEventDetails: { name: details.state } }, at);
    else note(execution, type, name === undefined ? {} : { [name]: { error: details.error, cause: details.cause } }, at);
  };

  /** A child of a Map is an execution of its own, named after the Map's label. */
  const countChild = ({ execution, type }: HistoryEvent): void => {
    const label = /:execution:([^:]+):/.exec(execution)?.[1] ?? '';
    const run = [...mapRuns].filter(([arn]) => arn.includes(`:mapRun:${label}:`)).at(-1)?.[1];
    if (run === undefined || !type.startsWith('Execution')) return;
    run.counts.running += type === 'ExecutionStarted' ? 1 : -1;
    if (type === 'ExecutionSucceeded') run.counts.succeeded += 1;
    else if (type !== 'ExecutionStarted') run.counts.failed += 1;
  };

  const begin = (machine: string, name: string, input: Json): { readonly execution: Execution; readonly ended: Promise<void> } => {
    const arn = `${machine.replace(':stateMachine:', ':execution:')}:${name}`;
    const stop = new AbortController();
    const execution: Execution = { arn, machine, started: Date.now(), input, status: 'RUNNING', events: [], stop };
    executions.set(arn, execution);
    const world: World = {
      invoke: (step, payload) => options.invoke(step, payload),
      startExecution: (nested, nestedInput, _name, signal) => runNested(execution, nested, nestedInput, signal),
      readObject: (bucket, key) => controlOf(bucket).read(key.slice(controlOf(bucket).prefix.length)),
      writeObject: async (bucket, key, bytes) => {
        await controlOf(bucket).create(key.slice(controlOf(bucket).prefix.length), bytes);
      },
      clock: realClock,
      random: Math.random,
      onEvent: (event) => onEvent(execution, event),
    };
    const startTime = new Date(execution.started).toISOString();
    const ended = runMachine(machines.get(machine), input, world, { id: arn, name, startTime, signal: stop.signal }).then(
      (output) => end(execution, { status: 'SUCCEEDED', output }),
      (error: unknown) => end(execution, failureOf(error) ?? { status: 'FAILED', error: 'Fake', cause: String(error) }),
    );
    return { execution, ended };
  };

  const controlOf = (bucket: string): Store => {
    if (options.control === undefined || options.control.bucket !== bucket) throw new Error(`this test has no bucket ${bucket}`);
    return options.control;
  };

  /** The first end counts: one from outside comes before what the machine makes of it. */
  const end = (execution: Execution, how: Pick<Execution, 'status' | 'output' | 'error' | 'cause'>): void => {
    if (execution.status === 'RUNNING') Object.assign(execution, how, { ended: Date.now() });
  };

  const runNested = async (parent: Execution, machine: string, input: Json, signal: AbortSignal): Promise<NestedExecution> => {
    const { execution, ended } = begin(`${place}:stateMachine:${prefix}-${machine}`, randomUUID(), input);
    signal.addEventListener('abort', () => execution.stop.abort(signal.reason));
    note(parent, 'TaskSubmitted', {
      taskSubmittedEventDetails: {
        resourceType: 'states',
        resource: 'startExecution.sync:2',
        output: JSON.stringify({ ExecutionArn: execution.arn }),
      },
    });
    await ended;
    const { arn, started, status, output = null, error = '', cause = '' } = execution;
    const about = { executionArn: arn, name: arn, startDate: started, stopDate: execution.ended ?? started };
    if (status === 'SUCCEEDED') return { ...about, status, output };
    return { ...about, status: status === 'RUNNING' ? 'FAILED' : status, error, cause };
  };

  const missing = (type: string, arn: string): Answer => ({ status: 400, json: { __type: type, message: `${type}: '${arn}'` } });

  const actions: Readonly<Record<string, (body: Record<string, Json>) => Answer>> = {
    StartExecution: ({ stateMachineArn, name, input }) => {
      const machine = String(stateMachineArn).replace(/:live$/, '');
      if (!machines.has(machine)) return missing('StateMachineDoesNotExist', machine);
      const arn = `${machine.replace(':stateMachine:', ':execution:')}:${String(name)}`;
      const known = executions.get(arn);
      const { execution } = known === undefined ? begin(machine, String(name), JSON.parse(String(input))) : { execution: known };
      return ok({ executionArn: execution.arn, startDate: execution.started / 1000 });
    },
    StopExecution: ({ executionArn, error, cause }) => {
      const execution = executions.get(String(executionArn));
      if (execution === undefined) return missing('ExecutionDoesNotExist', String(executionArn));
      end(execution, { status: 'ABORTED', error: String(error), cause: String(cause) });
      execution.stop.abort(new LifeboatError('ExecutionAborted', 'stopped'));
      return ok({ stopDate: Date.now() / 1000 });
    },
    DescribeStateMachine: ({ stateMachineArn }) =>
      machines.has(String(stateMachineArn))
        ? ok({ stateMachineArn, name: 'x', status: 'ACTIVE', definition: '{}', roleArn: 'x', type: 'STANDARD', creationDate: 0 })
        : missing('StateMachineDoesNotExist', String(stateMachineArn)),
    DescribeExecution: ({ executionArn }) => {
      const execution = executions.get(String(executionArn));
      if (execution === undefined) return missing('ExecutionDoesNotExist', String(executionArn));
      const { status, started, ended, output, error, cause, machine } = execution;
      return ok({
        executionArn: execution.arn,
        stateMachineArn: machine,
        status,
        startDate: started / 1000,
        ...(ended === undefined ? {} : { stopDate: ended / 1000 }),
        ...(output === undefined ? {} : { output: JSON.stringify(output) }),
        error,
        cause,
      });
    },
    GetExecutionHistory: ({ executionArn, maxResults, nextToken, reverseOrder }) => {
      const execution = executions.get(String(executionArn));
      if (execution === undefined) return missing('ExecutionDoesNotExist', String(executionArn));
      const events = reverseOrder === true ? execution.events.toReversed() : execution.events;
      const from = Number(nextToken ?? 0);
      // Pages smaller than asked for, as the real one may give.
      const to = from + Math.min(Number(maxResults ?? 100), 7);
      return ok({ events: events.slice(from, to), ...(to < events.length ? { nextToken: String(to) } : {}) });
    },
    DescribeMapRun: ({ mapRunArn }) => {
      const run = mapRuns.get(String(mapRunArn));
      if (run === undefined) return missing('ResourceNotFound', String(mapRunArn));
      return ok({ mapRunArn, status: run.status, itemCounts: run.counts, executionCounts: run.counts });
    },
    ListExecutions: ({ stateMachineArn, maxResults }) => {
      if (!machines.has(String(stateMachineArn))) return missing('StateMachineDoesNotExist', String(stateMachineArn));
      const found = [...executions.values()].filter(({ machine }) => machine === stateMachineArn).reverse();
      return ok({
        executions: found.slice(0, Number(maxResults ?? 100)).map(({ arn, status, started, ended }) => ({
          executionArn: arn,
          stateMachineArn,
          name: arn.split(':').at(-1),
          status,
          startDate: started / 1000,
          ...(ended === undefined ? {} : { stopDate: ended / 1000 }),
        })),
      });
    },
    FilterLogEvents: ({ startTime, endTime }) =>
      ok({ events: (options.printed ?? []).filter(({ timestamp }) => timestamp >= Number(startTime) && timestamp <= Number(endTime)) }),
  };

  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const target = request.headers['x-amz-target'];
    const url = new URL(request.url ?? '/', 'http://localhost');
    const action = String(target ?? new URLSearchParams(text).get('Action') ?? '');
    const name = action.split('.').at(-1) ?? '';
    const own = actions[name];
    if (own === undefined) {
      const other = options.other?.({ method: request.method ?? '', url, action, body: text });
      send(response, other ?? { status: 400, json: { __type: 'UnknownOperationException', message: `${action} ${url.pathname}` } });
      return;
    }
    const body: Record<string, Json> = JSON.parse(text || '{}');
    requests.push({ action: name, body });
    const fault = faults.get(name)?.shift();
    if (fault === 'hang up') request.socket.destroy();
    else
      send(
        response,
        fault === undefined ? own(body) : { status: fault.status, json: { __type: fault.type, message: fault.message ?? '' } },
      );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    requests,
    executions,
    fault: (action, answer, times = 1) => {
      faults.set(action, [...(faults.get(action) ?? []), ...Array.from({ length: times }, () => answer)]);
    },
    lose: (arn) => void executions.delete(arn),
    end: (arn, status) => {
      const execution = executions.get(arn);
      if (execution === undefined) throw new Error(`there is no execution ${arn}`);
      end(execution, { status });
      execution.stop.abort(new LifeboatError('ExecutionAborted', 'ended'));
    },
    stop: () =>
      new Promise((resolve) => {
        for (const { stop } of executions.values()) stop.abort(new LifeboatError('ExecutionAborted', 'the test is over'));
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
};

export const ok = (json: unknown): Answer => ({ status: 200, json });

const send = (response: ServerResponse, { status, json, headers }: Answer): void => {
  const isXml = typeof json === 'string';
  response.writeHead(status, { 'content-type': isXml ? 'text/xml' : 'application/x-amz-json-1.0', ...headers });
  response.end(isXml ? json : JSON.stringify(json));
};
