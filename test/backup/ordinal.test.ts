import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ORDINAL_N_MAX, ORDINAL_TASK_MAX, ordinal, parseOrdinal } from '../../src/backup/ordinal.ts';

const places = fc.record({ task: fc.integer({ min: 0, max: ORDINAL_TASK_MAX }), n: fc.integer({ min: 0, max: ORDINAL_N_MAX }) });

describe('ordinals', () => {
  it('come back', () => {
    fc.assert(
      fc.property(places, ({ task, n }) => {
        expect(parseOrdinal(ordinal(task, n))).toEqual({ task, n });
      }),
    );
  });

  it('sort by task, then by number', () => {
    fc.assert(
      fc.property(places, places, (a, b) => {
        const before = a.task < b.task || (a.task === b.task && a.n < b.n);
        expect(ordinal(a.task, a.n) < ordinal(b.task, b.n)).toBe(before);
      }),
    );
  });

  it.each([
    [-1, 0],
    [0, -1],
    [ORDINAL_TASK_MAX + 1, 0],
    [0, ORDINAL_N_MAX + 1],
    [0.5, 0],
    [Number.NaN, 0],
    [1e21, 0],
  ])('has no place for segment %d, %d', (task, n) => {
    expect(() => ordinal(task, n)).toThrow(expect.objectContaining({ code: 'PlanTooLarge' }));
  });
});
