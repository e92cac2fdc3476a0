import type { Json } from '../../backup/types.ts';
import { type Failure, StatesError } from './errors.ts';
import { scopeOf, type Visit } from './frame.ts';
import type { MapRun } from './map-run.ts';
import { unlessStopped } from './stop.ts';
import { renderString } from './template.ts';
import type { ResultWriter } from './types.ts';

/** How one item of a distributed Map ended. */
export type Child = {
  readonly index: number;
  readonly name: string;
  readonly arn: string;
  readonly input: Json;
  readonly startDate: string;
  readonly stopDate: string;
} & ({ readonly status: 'SUCCEEDED'; readonly output: Json } | Failure);

interface ResultFile {
  readonly Key: string;
  readonly Size: number;
}

/**
 * Writes SUCCEEDED, FAILED and PENDING results and then manifest.json, under `<prefix>/<id of the Map run>/`; answers what
 * the state's result is. Items that had not ended when the Map failed are PENDING.
 */
export async function writeResults(
  writer: ResultWriter,
  mapRun: MapRun,
  items: readonly Json[],
  children: readonly (Child | undefined)[],
  visit: Visit,
): Promise<Json> {
  const scope = scopeOf(visit);
  const bucket = await renderString(writer.bucket, scope, 'Bucket');
  const prefix = writer.prefix === undefined ? '' : await renderString(writer.prefix, scope, 'Prefix');
  const folder = `${prefix === '' ? '' : `${prefix.replace(/\/$/, '')}/`}${mapRun.id}`;
  const put = async (key: string, text: string): Promise<ResultFile> => {
    const bytes = Buffer.from(text);
    await written(visit.frame.run.world.writeObject(bucket, key, bytes), key, visit.frame.signal);
    return { Key: key, Size: bytes.length };
  };
  const file = async (status: string, results: readonly Json[]): Promise<ResultFile[]> =>
    results.length === 0 ? [] : [await put(`${folder}/${status}_0.${writer.outputType.toLowerCase()}`, listed(results, writer.outputType))];
  const ended = children.filter((child) => child !== undefined);
  const files = {
    FAILED: await file(
      'FAILED',
      ended.filter((child) => child.status !== 'SUCCEEDED').map((child) => recordOf(child, mapRun)),
    ),
    PENDING: await file(
      'PENDING',
      items.filter((_, n) => children[n] === undefined).map((item) => ({ Input: JSON.stringify(item), Status: 'PENDING' })),
    ),
    SUCCEEDED: await file(
      'SUCCEEDED',
      ended.filter((child) => child.status === 'SUCCEEDED').flatMap((child) => resultOf(child, writer, mapRun)),
    ),
  };
  const manifest = await put(
    `${folder}/manifest.json`,
    JSON.stringify({ DestinationBucket: bucket, MapRunArn: mapRun.arn, ResultFiles: files }),
  );
  return { MapRunArn: mapRun.arn, ResultWriterDetails: { Bucket: bucket, Key: manifest.Key } };
}

async function written(write: Promise<void>, key: string, signal: AbortSignal): Promise<void> {
  try {
    await unlessStopped(write, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw new StatesError(
      'States.ResultWriterFailed',
      `${key} could not be written: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

const listed = (results: readonly Json[], type: ResultWriter['outputType']): string =>
  type === 'JSON' ? JSON.stringify(results) : results.map((result) => `${JSON.stringify(result)}\n`).join('');

function resultOf(child: Child & { readonly status: 'SUCCEEDED' }, writer: ResultWriter, mapRun: MapRun): readonly Json[] {
  if (writer.transformation === 'NONE') return [recordOf(child, mapRun)];
  return writer.transformation === 'FLATTEN' && Array.isArray(child.output) ? child.output : [child.output];
}

/** The description of an execution; input and output are strings, as on AWS. */
function recordOf(child: Child, mapRun: MapRun): Json {
  return {
    ExecutionArn: child.arn,
    Input: JSON.stringify(child.input),
    InputDetails: { Included: true },
    Name: child.name,
    StartDate: child.startDate,
    StateMachineArn: mapRun.stateMachine.Id,
    Status: child.status,
    StopDate: child.stopDate,
    ...(child.status === 'SUCCEEDED'
      ? { Output: JSON.stringify(child.output), OutputDetails: { Included: true } }
      : { Error: child.error, Cause: child.cause }),
  };
}
