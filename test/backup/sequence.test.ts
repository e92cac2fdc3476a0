import { describe, expect, it } from 'vitest';
import type { Run } from '../../src/backup/rooms.ts';
import { runSequence } from '../../src/backup/sequence.ts';
import type { Budget, Stage } from '../../src/sources/contract.ts';
import { memoryStore } from '../../src/stores/memory.ts';
import { ample, contextWith, done, next, roomIn, spent, stageOf, taskContextWith } from '../support/stages.ts';

const runIn = (store = memoryStore()): Run => ({
  room: (stage) => roomIn(store, stage),
  context: (budget) => contextWith(budget),
  taskContext: (_stage, task, budget) => taskContextWith(budget, task),
});

/** Calls it until it is done; answers how often. */
const drive = async (stage: Stage, budget: Budget, run = runIn()): Promise<{ calls: number; waits: number[] }> => {
  const waits: number[] = [];
  for (let calls = 1, resume: string | null = null; calls < 50; calls++) {
    const outcome = await runSequence(stage, run, budget, resume);
    waits.push(outcome.wait);
    if (outcome.resume === null) return { calls, waits };
    resume = outcome.resume;
  }
  throw new Error('it does not end');
};

const noting = (tasks: readonly number[]) => {
  const did: string[] = [];
  const stage = stageOf(tasks, async (task, _context, resume) => {
    did.push(`${task} from ${resume ?? 'the start'}`);
    return task === 2 && resume === undefined ? next('the middle') : done();
  });
  return { did, stage };
};

const ALL = ['1 from the start', '2 from the start', '2 from the middle', '3 from the start'];

describe('runSequence', () => {
  it('runs all tasks in order, in one go', async () => {
    const { did, stage } = noting([1, 2, 3]);
    expect(await drive(stage, ample)).toEqual({ calls: 1, waits: [0] });
    expect(did).toEqual(ALL);
  });

  it('gets somewhere in each invocation, and does nothing twice, however little time there is', async () => {
    const { did, stage } = noting([1, 2, 3]);
    const { calls } = await drive(stage, spent);
    expect(calls).toBeGreaterThan(3);
    expect(did).toEqual(ALL);
  });

  it('does nothing again for an invocation that is repeated', async () => {
    const { did, stage } = noting([1, 2, 3]);
    const run = runIn();
    await drive(stage, ample, run);
    await drive(stage, ample, run);
    expect(did).toEqual(ALL);
  });

  it('hands back at once where there is nothing to do for a while', async () => {
    let asked = 0;
    const stage = stageOf([0], async () => ((asked += 1) < 3 ? next('a snapshot is being made', 30) : done()));
    expect(await drive(stage, ample)).toEqual({ calls: 3, waits: [30, 30, 0] });
  });

  it('has nothing to do for a stage without tasks', async () => {
    expect(await drive(stageOf([]), ample)).toEqual({ calls: 1, waits: [0] });
    expect(await drive(stageOf([]), spent)).toMatchObject({ waits: [0, 0] });
  });

  it('refuses a cursor that is not its own', async () => {
    await expect(runSequence(stageOf([1]), runIn(), ample, '{"task":-1}')).rejects.toThrow();
    await expect(runSequence(stageOf([1]), runIn(), ample, '{"task":0,"part":0,"resume":null}')).rejects.toMatchObject({
      code: 'TaskMissing',
    });
  });
});
