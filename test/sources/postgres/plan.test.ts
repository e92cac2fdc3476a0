import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Table } from '../../../src/sources/postgres/catalog.ts';
import { planTasks } from '../../../src/sources/postgres/plan.ts';
import { DumpTaskSchema } from '../../../src/sources/postgres/tasks.ts';

const MiB = 1024 * 1024;

const table = (oid: number, pages: number, bytes: number): Table => ({
  oid,
  schema: 's',
  name: `t${oid}`,
  class: `s.t${oid}`,
  kind: 'table',
  columns: ['a'],
  generated: [],
  key: 'row',
  into: { schema: 's', name: `t${oid}` },
  root: { schema: 's', name: `t${oid}`, partitioned: false },
  condition: '',
  pages,
  bytes,
  filenode: oid,
});

const tables = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 100_000 }), fc.integer({ min: 0, max: 4_000 })), { maxLength: 300 })
  .map((sizes) => sizes.map(([pages, toast], index) => table(index + 1, pages, pages * 8192 + toast * MiB)));

describe('a plan', () => {
  it('covers every page of every table once, the last range without an end', () => {
    fc.assert(
      fc.property(tables, (all) => {
        const tasks = [...planTasks(all)];
        const ranges = Map.groupBy(
          tasks.flatMap((task) => (task.kind === 'data' ? task.chunks : [])),
          (chunk) => chunk.oid,
        );
        expect([...ranges.keys()].sort((a, b) => a - b)).toEqual(all.map(({ oid }) => oid));
        for (const chunks of ranges.values()) {
          let at = 0;
          for (const [index, { pages }] of chunks.entries()) {
            expect(pages.from).toBe(at);
            if (index === chunks.length - 1) expect(pages.to).toBeNull();
            else expect(pages.to).toBeGreaterThan(pages.from);
            at = pages.to ?? at;
          }
        }
      }),
      { numRuns: 50 },
    );
  });

  it('has tasks of about the same size, few enough for a state machine, and small enough to be stored', () => {
    fc.assert(
      fc.property(tables, (all) => {
        const tasks = [...planTasks(all)];
        expect(tasks.length).toBeLessThan(10_000);
        for (const task of tasks) {
          expect(JSON.stringify(task).length).toBeLessThan(16 * 1024);
          expect(DumpTaskSchema.parse(JSON.parse(JSON.stringify(task)))).toEqual(task);
        }
      }),
      { numRuns: 50 },
    );
    expect([...planTasks([table(1, 2_000_000_000, 16e12)])].length).toBeLessThan(10_000);
  });

  it('puts definitions first, indexes last, and large tables before small ones', () => {
    const tasks = [...planTasks([table(1, 1, 8192), table(2, 100_000, 800 * MiB), table(3, 2, 16_384)])];
    expect(tasks.map((task) => (task.kind === 'schema' ? task.section : task.kind))).toEqual([
      'pre-data',
      ...Array.from({ length: 14 }, () => 'data'),
      'sequences',
      'facts',
      'post-data',
    ]);
    expect(tasks[1]).toMatchObject({ chunks: [{ oid: 2 }] });
    expect(tasks.at(-4)).toMatchObject({ chunks: [{ oid: 3 }, { oid: 1 }] });
  });
});
