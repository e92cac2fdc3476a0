import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { readJson } from '../../src/backup/objects.ts';
import {
  beginExecution,
  endExecution,
  executionState,
  listExecutions,
  localExecutionArn,
  readLog,
  writeLog,
} from '../../src/environment/executions.ts';
import { memoryStore } from '../../src/stores/memory.ts';

const at = new Date('2026-11-21T01:30:00Z');
const arn = localExecutionArn('local-backup', 'one');
const end = { status: 'SUCCEEDED', endedAt: '2026-11-21T01:31:00Z', output: { backup: 'x' } } as const;

const begun = async () => {
  const control = memoryStore();
  await beginExecution(control, arn, 'backup', { source: 'sea' }, at);
  return control;
};

/** The record of this execution, as if something else had written it. */
const changed = async (changes: object) => {
  const control = await begun();
  const record: unknown = await readJson(control, 'executions/one.json');
  await control.delete('executions/one.json');
  await control.create('executions/one.json', Buffer.from(JSON.stringify({ ...(record as object), ...changes })));
  return control;
};

describe('executionState', () => {
  it('is running from its beginning to its end', async () => {
    const control = await begun();
    expect(await executionState(control, arn)).toBe('running');
    await endExecution(control, arn, end);
    expect(await executionState(control, arn)).toBe('gone');
  });

  it('is unknown of what nobody wrote down, and of another machine', async () => {
    expect(await executionState(memoryStore(), arn)).toBe('unknown');
    expect(await executionState(await changed({ host: `not ${hostname()}` }), arn)).toBe('unknown');
    expect(await executionState(await changed({ pid: 'x' }), arn)).toBe('unknown');
  });

  it('is gone with its process', async () => {
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    expect(await executionState(await changed({ pid: child.pid }), arn)).toBe('gone');
  });

  it('is gone when its process id is that of another process by now', async () => {
    expect(await executionState(await changed({ processStart: '1' }), arn)).toBe('gone');
  });
});

describe('listExecutions', () => {
  it('gives each with its end, oldest first, and no logs', async () => {
    const control = await begun();
    await beginExecution(control, localExecutionArn('local-drill', 'two'), 'drill', {}, at);
    await endExecution(control, arn, end);
    await endExecution(control, arn, { ...end, status: 'FAILED' });
    await writeLog(control, arn, [{ at: at.toISOString(), text: 'a' }]);
    expect(await Array.fromAsync(listExecutions(control))).toMatchObject([
      { arn, machine: 'backup', input: { source: 'sea' }, end },
      { machine: 'drill' },
    ]);
  });
});

describe('logs', () => {
  it('are read as they were written; none while the execution runs', async () => {
    const control = await begun();
    expect(await readLog(control, arn)).toEqual([]);
    const lines = [
      { at: at.toISOString(), text: 'one\ntwo' },
      { at: at.toISOString(), text: '' },
    ];
    await writeLog(control, arn, lines);
    expect(await readLog(control, arn)).toEqual(lines);
  });
});
