import { DescribeMapRunCommand, type HistoryEvent, type SFNClient } from '@aws-sdk/client-sfn';
import type { Report } from '../backup/progress.ts';
import { asked } from './clients.ts';
import { eventsAfter, nestedOf, regionOf } from './history.ts';

/** What a person is told while an execution runs, read from its history and from the counts of its Maps. */
export interface Watch {
  /** Tells what is new; answers whether anything was. */
  look(signal: AbortSignal): Promise<boolean>;
}

/** An execution that is watched: the main one, or one that it has begun. */
interface Watched {
  readonly machine: string;
  seen: number;
  over: boolean;
}

interface MapRun {
  readonly stage: string;
  told: string;
  over: boolean;
}

/** States that stand for work, as locally. */
const WORK = new Set(['TaskStateEntered', 'MapStateEntered', 'ParallelStateEntered']);

export const openWatch = (client: SFNClient, main: string, machine: string, report: Report): Watch => {
  const executions = new Map<string, Watched>([[main, { machine, seen: 0, over: false }]]);
  const maps = new Map<string, MapRun>();

  const note = (event: HistoryEvent, watched: Watched): void => {
    const { type = '', stateEnteredEventDetails, mapRunStartedEventDetails } = event;
    const state = stateEnteredEventDetails?.name;
    if (WORK.has(type) && state !== undefined) report({ type: 'state', machine: watched.machine, state });
    const nested = nestedOf(event);
    if (nested !== undefined && !executions.has(nested)) executions.set(nested, { machine: machineOf(nested), seen: 0, over: false });
    const mapRun = mapRunStartedEventDetails?.mapRunArn;
    if (mapRun !== undefined) maps.set(mapRun, { stage: stageOf(mapRun), told: '', over: false });
    if (type.startsWith('Execution') && type !== 'ExecutionStarted') watched.over = true;
  };

  const lookAtMap = async (arn: string, run: MapRun, signal: AbortSignal): Promise<boolean> => {
    const described = await asked({ action: 'states:DescribeMapRun', resource: arn, region: regionOf(arn) }, signal, () =>
      client.send(new DescribeMapRunCommand({ mapRunArn: arn }), { abortSignal: signal }),
    );
    run.over = described.status !== 'RUNNING';
    const { total = 0, succeeded = 0, failed = 0, running = 0 } = described.itemCounts ?? {};
    const told = `${total} ${succeeded} ${failed} ${running}`;
    // Its items are counted while the plan is read: nothing is told before they are known.
    if (told === run.told || total === 0) return false;
    run.told = told;
    report({ type: 'tally', stage: run.stage, tasks: total, ended: succeeded, running });
    if (failed > 0) report({ type: 'warning', message: `${failed} of ${total} tasks of ${run.stage} failed` });
    return true;
  };

  return {
    async look(signal) {
      let news = false;
      for (const [arn, watched] of executions) {
        if (watched.over) continue;
        for (const event of await eventsAfter(client, arn, watched.seen, signal)) {
          news = true;
          watched.seen = event.id ?? watched.seen;
          note(event, watched);
        }
      }
      for (const [arn, run] of maps) if (!run.over) news = (await lookAtMap(arn, run, signal)) || news;
      return news;
    },
  };
};

/** `…:mapRun:prod-catalog-backup/DumpTasks:<id>` is the stage dump. */
const stageOf = (mapRun: string): string => (/\/([A-Za-z]+):/.exec(mapRun)?.[1] ?? 'tasks').replace(/Tasks$/, '').toLowerCase();

/** `…:execution:prod-catalog-restore:<name>` is of the machine restore. */
const machineOf = (execution: string): string => (execution.split(':')[6] ?? '').replace(/^.*-/, '');
