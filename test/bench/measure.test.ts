import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { measure } from '../../bench/measure.ts';
import { medians, table, verdict } from '../../bench/results.ts';

const MB = 1e6;

describe.skipIf(process.platform !== 'linux')('measure', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lifeboat-test-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const node = (script: string) => measure([process.execPath, '-e', script], { errors: join(folder, 'errors') });

  it('counts the CPU of grandchildren', async () => {
    const burn = 'const end = process.cpuUsage().user + 4e5; while (process.cpuUsage().user < end) for (let i = 0; i < 1e6; i += 1);';
    const cost = await node(`require('child_process').execFileSync(process.execPath, ['-e', ${JSON.stringify(burn)}])`);
    expect(cost.cpuSeconds).toBeGreaterThan(0.4);
  });

  it('does not count time that is only waited', async () => {
    const cost = await node('setTimeout(() => {}, 1000)');
    expect(cost.wallSeconds).toBeGreaterThan(1);
    expect(cost.cpuSeconds).toBeLessThan(0.7);
  });

  it('sees the memory of grandchildren, and of the largest process alone', async () => {
    const hold = 'const held = Buffer.alloc(100e6, 1); setTimeout(() => held.length, 600);';
    const cost = await node(`for (const _ of 'ab') require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(hold)}])`);
    expect(cost.largestBytes).toBeGreaterThan(100 * MB);
    expect(cost.largestBytes).toBeLessThan(220 * MB);
    expect(cost.allBytes).toBeGreaterThan(200 * MB);
  });

  it('fails with the last words of a command that failed', async () => {
    await expect(node('console.error("no such table"); process.exit(3)')).rejects.toThrow(/ended with 3:\nno such table/);
  });
});

describe('results', () => {
  const line = (name: string, wallSeconds: number) => ({ name, wallSeconds, cpuSeconds: 1, largestBytes: MB, allBytes: MB, bytes: 0 });

  it('takes the median of the rounds', () => {
    const lines = medians([line('a', 9), line('b', 4), line('a', 1), line('b', 4), line('a', 2), line('b', 8)]);
    expect([...lines.values()].map(({ name, wallSeconds }) => [name, wallSeconds])).toEqual([
      ['a', 2],
      ['b', 4],
    ]);
    expect(table(lines, 'a').split('\n').at(-1)).toBe('| b | 4.0 | 1.0 | 1 | 1 | – | 2.00 |');
  });

  it('says of each goal whether it was reached, missed or not measured', () => {
    expect(verdict({ what: 'speed', measured: 2.9, unit: '×', atLeast: 2.8 })).toBe('- speed: 2.90×, reached (goal: at least 2.8×)');
    expect(verdict({ what: 'time', measured: 1.3, unit: '×', atMost: 1.2 })).toBe('- time: 1.30×, MISSED (goal: at most 1.2×)');
    expect(verdict({ what: 'time', measured: Number.NaN, unit: '×', atMost: 1.2 })).toBe('- time: NOT MEASURED (goal: at most 1.2×)');
  });
});
