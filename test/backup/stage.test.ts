import { describe, expect, it } from 'vitest';
import { readAll, readJson } from '../../src/backup/objects.ts';
import { decodeIndex, encodeIndex, TaskLineSchema } from '../../src/backup/plan-index.ts';
import { indexKey, planStage, readReceipts, runTask, TASKS_MAX, withSignal } from '../../src/backup/stage.ts';
import type { Json } from '../../src/backup/types.ts';
import type { Cursor, Stage } from '../../src/sources/contract.ts';
import { memoryStore } from '../../src/stores/memory.ts';
import { withFaults } from '../support/faults.ts';
import { ample, budgetOf, contextWith, done, next, roomIn, spent, stageOf, taskContextWith } from '../support/stages.ts';

const begin = { part: 0, resume: null };

const linesOf = async (store = memoryStore(), plan = 'plans/work/plan.jsonl') => {
  const text = Buffer.from((await readAll(store, plan)) ?? []).toString('utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => TaskLineSchema.parse(JSON.parse(line)));
};

/** Plans all, and answers how a Map would call each task. */
const planned = async (stage: Stage, store = memoryStore()) => {
  const room = roomIn(store);
  await planStage(stage, room, contextWith(ample), begin);
  const lines = await linesOf(store);
  const run = (task: number, part = 0, resume: string | null = null) => {
    const line = lines[task];
    if (line === undefined) throw new Error(`no task ${task}`);
    return runTask(stage, room, taskContextWith(ample, task), { line, part, resume });
  };
  return { store, room, lines, run };
};

describe('planStage', () => {
  it('writes a line for each task, which says where the task lies', async () => {
    const tasks: Json[] = [{ table: 'a' }, { table: 'ü' }, 7];
    const { store, lines } = await planned(stageOf(tasks));
    const read = await Promise.all(lines.map(async ({ key, start, end }) => readAll(store, key, { start, end })));
    expect(read.map((bytes) => JSON.parse(Buffer.from(bytes ?? []).toString('utf8')))).toEqual(tasks);
    expect(lines.map(({ task }) => task)).toEqual([0, 1, 2]);
  });

  it('answers a stage without tasks with an empty plan', async () => {
    expect(await planStage(stageOf([]), roomIn(memoryStore()), contextWith(ample), begin)).toEqual({
      tasks: 0,
      plan: 'plans/work/plan.jsonl',
      resume: null,
    });
  });

  it('stops when its time is over, and goes on from there', async () => {
    const store = memoryStore();
    const stage = stageOf(['a', 'b', 'c']);
    const outcomes = [];
    for (let part = 0, resume: string | null = null; ; part++) {
      const outcome = await planStage(stage, roomIn(store), contextWith(spent), { part, resume });
      outcomes.push(outcome);
      if (outcome.resume === null) break;
      resume = outcome.resume;
    }
    expect(outcomes).toEqual([
      { tasks: 0, plan: null, resume: '1' },
      { tasks: 0, plan: null, resume: '2' },
      { tasks: 3, plan: 'plans/work/plan.jsonl', resume: null },
    ]);
    expect((await linesOf(store)).map(({ key }) => key.replace(/-.*/, ''))).toEqual([
      'plans/work/tasks.0',
      'plans/work/tasks.1',
      'plans/work/tasks.2',
    ]);
  });

  it('answers what the first invocation wrote, and plans nothing again', async () => {
    const { store, room, lines } = await planned(stageOf(['a', 'b']));
    const other = stageOf(['x', 'y', 'z']);
    expect(await planStage(other, room, contextWith(ample), begin)).toMatchObject({ tasks: 2 });
    expect(other.planned).toEqual([]);
    expect(await linesOf(store)).toEqual(lines);
  });

  it('of two at the same time, the first index counts', async () => {
    const store = memoryStore();
    const room = roomIn(store);
    const slow = stageOf(['slow']);
    const racing = withFaults(store, [
      {
        on: 'create',
        key: indexKey(room, 0),
        fault: { kind: 'call', run: async () => void (await planStage(stageOf(['fast', 'too']), room, contextWith(ample), begin)) },
      },
    ]);
    expect(await planStage(slow, { ...room, control: racing }, contextWith(ample), begin)).toMatchObject({ tasks: 2 });
    expect(await linesOf(store)).toHaveLength(2);
  });

  it('survives a death between any two writes', async () => {
    for (let skip = 0; skip < 3; skip++) {
      const store = memoryStore();
      const dying = withFaults(store, [{ on: 'create', skip, fault: { kind: 'fail', code: 'StoreUnavailable', after: true } }]);
      const room = roomIn(dying);
      await expect(planStage(stageOf(['a', 'b']), room, contextWith(ample), begin)).rejects.toMatchObject({ code: 'StoreUnavailable' });
      expect(await planStage(stageOf(['a', 'b']), room, contextWith(ample), begin)).toMatchObject({ tasks: 2 });
      expect(await linesOf(store)).toHaveLength(2);
    }
  });

  it.each([
    ['a task that is too large', stageOf(['x'.repeat(1024 * 1024)]), 'a task of 1048579 bytes'],
    ['more tasks than a Map takes', stageOf(Array.from({ length: TASKS_MAX + 1 }, (_, n) => n)), 'more than 10000 tasks'],
  ])('fails with PlanTooLarge on %s', async (_, stage, said) => {
    await expect(planStage(stage, roomIn(memoryStore()), contextWith(ample), begin)).rejects.toMatchObject({
      code: 'PlanTooLarge',
      message: expect.stringContaining(said),
    });
  });

  it('fails with NoProgress when it stops where it began', async () => {
    const stuck: Stage = {
      ...stageOf([]),
      plan: async function* () {
        yield { task: 1, resume: 'here' as Cursor };
      },
    };
    await expect(planStage(stuck, roomIn(memoryStore()), contextWith(spent), { part: 1, resume: 'here' })).rejects.toMatchObject({
      code: 'NoProgress',
    });
  });
});

describe('runTask', () => {
  it('gives the stage its task and its cursor, and stores a receipt before it answers', async () => {
    const seen: Json[] = [];
    const stage = stageOf([{ a: 1 }], async (task, context, resume) => {
      seen.push([task, context.task, resume ?? null]);
      return resume === undefined ? next('half-way') : done({ facts: { rows: 2 } });
    });
    const { room, run } = await planned(stage);
    expect(await run(0)).toEqual({ cursor: 'half-way' });
    expect(await run(0, 1, 'half-way')).toBeUndefined();
    expect(seen).toEqual([
      [{ a: 1 }, 0, null],
      [{ a: 1 }, 0, 'half-way'],
    ]);
    expect(await Array.fromAsync(readReceipts(room, 1))).toEqual([
      { task: 0, part: 0, segments: [], digests: [], next: { cursor: 'half-way' } },
      { task: 0, part: 1, segments: [], digests: [], facts: { rows: 2 } },
    ]);
  });

  it('does nothing where there is a receipt, and answers what it says', async () => {
    let runs = 0;
    const { run } = await planned(stageOf(['a'], async () => next(`cursor ${(runs += 1)}`)));
    expect(await run(0)).toEqual({ cursor: 'cursor 1' });
    expect(await run(0)).toEqual({ cursor: 'cursor 1' });
    expect(runs).toBe(1);
  });

  it('of two attempts at the same time, the receipt that came first decides, whatever the other did', async () => {
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let runs = 0;
    const { run } = await planned(
      stageOf(['a'], async () => {
        const own = (runs += 1);
        await gates[own - 1]?.promise;
        return next(`as far as attempt ${own}`);
      }),
    );
    const attempts = [run(0), run(0)];
    await expect.poll(() => runs).toBe(2);
    gates[1]?.resolve();
    expect(await attempts[1]).toEqual({ cursor: 'as far as attempt 2' });
    gates[0]?.resolve();
    expect(await attempts[0]).toEqual({ cursor: 'as far as attempt 2' });
  });

  it('hands on that there is nothing to do for a while, with the same cursor', async () => {
    const { run } = await planned(stageOf(['a'], async () => next('waiting', 30)));
    expect(await run(0)).toEqual({ cursor: 'waiting', afterSeconds: 30 });
    expect(await run(0, 1, 'waiting')).toEqual({ cursor: 'waiting', afterSeconds: 30 });
  });

  it('fails with NoProgress where the cursor did not move, and stores nothing', async () => {
    const { run, room } = await planned(stageOf(['a'], async () => next('here')));
    await expect(run(0, 1, 'here')).rejects.toMatchObject({ code: 'NoProgress', message: expect.stringContaining('here') });
    expect(await readAll(room.receipts, room.receiptKey(0, 1))).toBeUndefined();
  });

  it.each([
    ['facts', done({ facts: 'x'.repeat(64 * 1024) })],
    ['a cursor', next('x'.repeat(4 * 1024 + 1))],
  ])('fails with ReceiptTooLarge on %s that grow with the source', async (_, part) => {
    const { run } = await planned(stageOf(['a'], async () => part));
    await expect(run(0)).rejects.toMatchObject({ code: 'ReceiptTooLarge' });
  });

  it('fails with TaskMissing when the plan is not there', async () => {
    const { store, run, lines } = await planned(stageOf(['a']));
    await store.delete(lines[0]?.key ?? '');
    await expect(run(0)).rejects.toMatchObject({ code: 'TaskMissing' });
  });
});

describe('readReceipts', () => {
  const three = async () => {
    const at = await planned(stageOf(['a', 'b', 'c'], async (_, __, resume) => (resume === undefined ? next('1') : done())));
    for (const task of [0, 1, 2]) {
      await at.run(task);
      await at.run(task, 1, '1');
    }
    return at;
  };

  it('gives them by task and part', async () => {
    const { room } = await three();
    const order = (await Array.fromAsync(readReceipts(room, 3))).map(({ task, part }) => [task, part]);
    expect(order).toEqual([
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
      [2, 0],
      [2, 1],
    ]);
  });

  it.each([
    ['in the middle', 1, 0],
    ['at the end of a task', 1, 1],
    ['at the very end', 2, 1],
  ])('fails with BackupIncomplete when one is missing %s', async (_, task, part) => {
    const { store, room } = await three();
    await store.delete(room.receiptKey(task, part));
    await expect(Array.fromAsync(readReceipts(room, 3))).rejects.toMatchObject({ code: 'BackupIncomplete' });
  });

  it('fails with BackupIncomplete when there are fewer or more than tasks', async () => {
    const { room } = await three();
    for (const tasks of [2, 4])
      await expect(Array.fromAsync(readReceipts(room, tasks))).rejects.toMatchObject({ code: 'BackupIncomplete' });
    await expect(Array.fromAsync(readReceipts(roomIn(memoryStore()), 1))).rejects.toMatchObject({ code: 'BackupIncomplete' });
  });
});

describe('plan index', () => {
  it('reads back what it wrote, and names the key of what it cannot read', async () => {
    const index = { key: 'k', ranges: [{ start: 0, end: 5 }], resume: null };
    const store = memoryStore();
    await store.create('i', encodeIndex(index));
    expect(decodeIndex(await readJson(store, 'i'), 'i')).toEqual(index);
    for (const bad of [undefined, {}, { ...index, ranges: [{ start: 1, end: 0 }] }, { ...index, more: 1 }])
      expect(() => decodeIndex(bad, 'plans/x')).toThrow(
        expect.objectContaining({ code: 'TaskMissing', message: expect.stringContaining('plans/x') }),
      );
  });
});

describe('withSignal', () => {
  it('ends a budget early', () => {
    const stop = new AbortController();
    const budget = withSignal(
      budgetOf(() => 5),
      stop.signal,
    );
    expect([budget.remaining(), budget.signal.aborted]).toEqual([5, false]);
    stop.abort();
    expect([budget.remaining(), budget.signal.aborted]).toEqual([0, true]);
  });
});
