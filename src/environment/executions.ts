import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { z } from 'zod';
import { createJson, readAll, readJson } from '../backup/objects.ts';
import type { Json } from '../backup/types.ts';
import { parseJson } from '../json.ts';
import type { Store } from '../stores/store.ts';

export type ExecutionState = 'running' | 'gone' | 'unknown';

/** Marks executions of this machine: `arn:aws:states:local:000000000000:execution:local-catalog-backup:…`. */
const LOCAL = 'arn:aws:states:local:';

export const localExecutionArn = (machine: string, name: string): string => `${LOCAL}000000000000:execution:${machine}:${name}`;

export interface ExecutionEnd {
  readonly status: 'SUCCEEDED' | 'FAILED' | 'ABORTED';
  readonly endedAt: string;
  /** What the execution answered, or `{error, cause}`. */
  readonly output: Json;
}

const RecordSchema = z.object({
  arn: z.string(),
  machine: z.string(),
  host: z.string(),
  pid: z.int(),
  /** Start time of the process: a pid alone may be another process by now. */
  processStart: z.string(),
  startedAt: z.string(),
  input: z.json(),
});
const EndSchema: z.ZodType<ExecutionEnd> = z.object({
  status: z.enum(['SUCCEEDED', 'FAILED', 'ABORTED']),
  endedAt: z.string(),
  output: z.json(),
});

export type ExecutionRecord = z.infer<typeof RecordSchema> & { readonly end?: ExecutionEnd };

const FOLDER = 'executions/';
const nameOf = (arn: string): string => arn.slice(arn.lastIndexOf(':') + 1);
const recordKey = (arn: string): string => `${FOLDER}${nameOf(arn)}.json`;
const logKey = (arn: string): string => `${FOLDER}${nameOf(arn)}.log.jsonl`;
const endKey = (arn: string): string => `${FOLDER}${nameOf(arn)}.end.json`;

/** Notes a local execution before its first step, so that others can tell whether it still runs. */
export const beginExecution = async (control: Store, arn: string, machine: string, input: Json, now: Date): Promise<void> => {
  const processStart = (await processStartOf(process.pid)) ?? '';
  await createJson(control, recordKey(arn), {
    arn,
    machine,
    host: hostname(),
    pid: process.pid,
    processStart,
    startedAt: now.toISOString(),
    input,
  });
};

export const endExecution = async (control: Store, arn: string, end: ExecutionEnd): Promise<void> => {
  await createJson(control, endKey(arn), end);
};

const LogLineSchema = z.object({ at: z.string(), text: z.string() });
export type LogLine = z.infer<typeof LogLineSchema>;

export const writeLog = async (control: Store, arn: string, lines: readonly LogLine[]): Promise<void> => {
  await control.create(logKey(arn), Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join('')));
};

/** Empty while the execution runs, and for one that was killed. */
export const readLog = async (control: Store, arn: string): Promise<readonly LogLine[]> => {
  const bytes = await readAll(control, logKey(arn));
  const lines = Buffer.from(bytes ?? [])
    .toString('utf8')
    .split('\n');
  return lines.filter((line) => line !== '').map((line) => LogLineSchema.parse(parseJson(line)));
};

/** Local executions, oldest first. */
export async function* listExecutions(control: Store): AsyncGenerator<ExecutionRecord> {
  for await (const { key } of control.list(FOLDER)) {
    if (key.endsWith('.end.json') || key.endsWith('.log.jsonl')) continue;
    const record = RecordSchema.safeParse(await readJson(control, key));
    if (!record.success) continue;
    const end = EndSchema.safeParse(await readJson(control, endKey(record.data.arn)));
    yield end.success ? { ...record.data, end: end.data } : record.data;
  }
}

/** `unknown` for a local execution of another machine, and for what AWS will not tell. */
export const executionState = async (control: Store, arn: string): Promise<ExecutionState> =>
  arn.startsWith(LOCAL) ? localState(control, arn) : awsState(arn);

const localState = async (control: Store, arn: string): Promise<ExecutionState> => {
  const record = RecordSchema.safeParse(await readJson(control, recordKey(arn)));
  if (!record.success) return 'unknown';
  if ((await control.head(endKey(arn))) !== undefined) return 'gone';
  if (record.data.host !== hostname()) return 'unknown';
  const start = await processStartOf(record.data.pid);
  if (start === undefined) return isAlive(record.data.pid) ? 'running' : 'gone';
  return start === record.data.processStart ? 'running' : 'gone';
};

/** Clock ticks since boot, from /proc; undefined where there is none. */
const processStartOf = async (pid: number): Promise<string | undefined> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return stat
    ?.slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .at(19);
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
};

const awsState = async (arn: string): Promise<ExecutionState> => {
  const { DescribeExecutionCommand, SFNClient } = await import('@aws-sdk/client-sfn');
  const client = new SFNClient({ region: arn.split(':')[3] ?? '' });
  try {
    const { status } = await client.send(new DescribeExecutionCommand({ executionArn: arn }));
    return status === 'RUNNING' || status === 'PENDING_REDRIVE' ? 'running' : 'gone';
  } catch (error) {
    return error instanceof Error && error.name === 'ExecutionDoesNotExist' ? 'gone' : 'unknown';
  } finally {
    client.destroy();
  }
};
