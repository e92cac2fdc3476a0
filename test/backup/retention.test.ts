import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backupId } from '../../src/backup/id.ts';
import type { ProofState } from '../../src/backup/proof-state.ts';
import { planRetention, type Retained, type RetentionOptions, type RetentionPolicy } from '../../src/backup/retention.ts';

const HOUR = 60 * 60 * 1000;
const DAY = 24 * HOUR;
const NOW = new Date('2026-11-21T12:00:00Z');

const entry = (at: Date | string, more: Partial<Retained> = {}): Retained => {
  const time = new Date(at);
  return {
    source: 'files',
    backup: backupId(time, String(more.source)),
    state: 'sound',
    recordedAt: time.toISOString(),
    proof: { state: 'never' },
    ...more,
  };
};

/** The newest first: one backup a day, `days` of them up to NOW. */
const daily = (days: number): Retained[] => Array.from({ length: days }, (_, i) => entry(new Date(NOW.getTime() - i * DAY)));

const passed = (at: string): ProofState => ({ state: 'PASSED', at, passedAt: at });
const failed = (at: string): ProofState => ({ state: 'FAILED', at });

const keptOf = (entries: readonly Retained[], policy: RetentionPolicy, options: RetentionOptions = {}, now = NOW): string[] =>
  planRetention(entries, policy, now, options).keep.map(({ entry: one }) => one.recordedAt.slice(0, 10));

const whyOf = (entries: readonly Retained[], policy: RetentionPolicy, options: RetentionOptions = {}): Record<string, readonly string[]> =>
  Object.fromEntries(planRetention(entries, policy, NOW, options).keep.map(({ entry: one, why }) => [one.recordedAt.slice(0, 10), why]));

describe('the rules', () => {
  it('keep the last ones', () => {
    expect(keptOf(daily(5), { last: 2 })).toEqual(['2026-11-21', '2026-11-20']);
    expect(planRetention(daily(5), { last: 2 }, NOW).remove.map(({ recordedAt }) => recordedAt.slice(0, 10))).toEqual([
      '2026-11-17',
      '2026-11-18',
      '2026-11-19',
    ]);
  });

  it('keep the newest of each day, and say why', () => {
    const entries = [entry('2026-11-21T01:00Z'), entry('2026-11-21T09:00Z'), entry('2026-11-20T23:59:59Z'), entry('2026-11-20T00:00Z')];
    const plan = planRetention(entries, { daily: 7 }, NOW);
    expect(plan.keep.map(({ entry: one, why }) => [one.recordedAt, why])).toEqual([
      ['2026-11-21T09:00:00.000Z', ['daily 2026-11-21']],
      ['2026-11-20T23:59:59.000Z', ['daily 2026-11-20']],
    ]);
  });

  it('keep the newest of ISO weeks, over the end of a year', () => {
    const entries = ['2027-01-04', '2027-01-03', '2027-01-01', '2026-12-28', '2026-12-27'].map((day) => entry(`${day}T00:00Z`));
    expect(keptOf(entries, { weekly: 2 }, {}, new Date('2027-01-05'))).toEqual(['2027-01-04', '2027-01-03']);
  });

  it('keep the newest of each month, also of a February of 28 and of 29 days', () => {
    for (const [last, now] of [
      ['2027-02-28', '2027-03-31'],
      ['2028-02-29', '2028-03-31'],
    ] as const) {
      const year = last.slice(0, 4);
      const entries = [`${year}-03-31`, `${year}-03-01`, last, `${year}-02-01`, `${year}-01-31`].map((day) => entry(`${day}T12:00Z`));
      expect(keptOf(entries, { monthly: 3 }, {}, new Date(`${now}T13:00Z`))).toEqual([`${year}-03-31`, last, `${year}-01-31`]);
    }
  });

  it('count days as the time zone does, also the day of 25 hours', () => {
    // In Berlin these are 00:30 and 23:30 of 25 October 2026, and 00:30 of the 26th; in UTC three days.
    const entries = ['2026-10-24T22:30:00Z', '2026-10-25T22:30:00Z', '2026-10-25T23:30:00Z'].map((time) => entry(time));
    const kept = (timezone: string) => planRetention(entries, { daily: 9 }, NOW, { timezone }).keep.map(({ entry: one }) => one.recordedAt);
    expect(kept('Europe/Berlin')).toEqual(['2026-10-25T23:30:00.000Z', '2026-10-25T22:30:00.000Z']);
    expect(kept('UTC')).toEqual(['2026-10-25T23:30:00.000Z', '2026-10-24T22:30:00.000Z']);
  });

  it('do not count days without a backup: time alone removes nothing', () => {
    const later = new Date(NOW.getTime() + 90 * DAY);
    expect(planRetention(daily(7), { daily: 7 }, later).remove).toEqual([]);
  });

  it('add up', () => {
    expect(whyOf(daily(40), { last: 1, monthly: 2 })).toEqual({
      '2026-11-21': ['last 1', 'monthly 2026-11'],
      '2026-10-31': ['monthly 2026-10'],
    });
  });

  it('never keep fewer than the minimum', () => {
    expect(whyOf(daily(5), { monthly: 1, minimum: 3 })).toEqual({
      '2026-11-21': ['monthly 2026-11'],
      '2026-11-20': ['minimum 3'],
      '2026-11-19': ['minimum 3'],
    });
  });

  it('settle, over a year of backups and prunes, at what they say', () => {
    let entries: Retained[] = [];
    for (let day = 0; day < 500; day++) {
      const now = new Date(Date.UTC(2025, 0, 1, 2) + day * DAY);
      entries = [...entries, entry(now)];
      entries = planRetention(entries, { daily: 7, weekly: 5, monthly: 12 }, now).keep.map(({ entry: one }) => one);
    }
    const kept = entries.map(({ recordedAt }) => recordedAt.slice(0, 10)).sort();
    const days = ['2026-05-09', '2026-05-10', '2026-05-11', '2026-05-12', '2026-05-13', '2026-05-14', '2026-05-15'];
    const weeks = ['2026-04-19', '2026-04-26', '2026-05-03'];
    const months = ['2025-06-30', '2025-07-31', '2025-08-31', '2025-09-30', '2025-10-31', '2025-11-30', '2025-12-31'];
    const monthsOfThisYear = ['2026-01-31', '2026-02-28', '2026-03-31', '2026-04-30'];
    expect(kept).toEqual([...days, ...weeks, ...months, ...monthsOfThisYear].sort());
  });

  it('look at each source for itself', () => {
    const entries = [...daily(3), ...daily(3).map((one) => ({ ...one, source: 'catalog' }))];
    const plan = planRetention(entries, { last: 1 }, NOW);
    expect(plan.keep.map(({ entry: one }) => one.source).sort()).toEqual(['catalog', 'files']);
    expect(plan.remove).toHaveLength(4);
  });

  it('order by the time in the manifest, not by the id', () => {
    const renamed = { ...entry('2026-11-01T00:00Z'), backup: backupId(new Date('2026-11-20T23:00Z'), 'x') };
    expect(keptOf([renamed, entry('2026-11-10T00:00Z')], { last: 1 })).toEqual(['2026-11-10']);
  });
});

describe('what is never removed', () => {
  it('the newest proven backup', () => {
    const entries = daily(10).map((one, i) => ([6, 8].includes(i) ? { ...one, proof: passed('2026-11-16T00:00:00Z') } : one));
    expect(whyOf(entries, { last: 2 })).toEqual({ '2026-11-21': ['last 2'], '2026-11-20': ['last 2'], '2026-11-15': ['newest proven'] });
  });

  it('the newest that a drill passed once, whatever a later one says', () => {
    const proof: ProofState = { state: 'NOT_MEASURED', at: '2026-11-20T00:00:00Z', passedAt: '2026-11-18T00:00:00Z' };
    const entries = daily(10).map((one, i) => (i === 6 ? { ...one, proof } : one));
    expect(whyOf(entries, { last: 1 })['2026-11-15']).toEqual(['newest that a drill passed once']);
  });

  it('what cannot be read; it does not count either', () => {
    const entries = daily(4).map((one, i) => (i === 1 ? { ...one, state: 'broken' as const } : one));
    expect(whyOf(entries, { last: 2 })).toEqual({
      '2026-11-21': ['last 2'],
      '2026-11-20': ['its manifest cannot be read'],
      '2026-11-19': ['last 2'],
    });
  });

  it('real backups, under a flood of others that claim to be newer', () => {
    const real = daily(7);
    const flood = Array.from({ length: 100 }, (_, i) =>
      entry(new Date(NOW.getTime() + (2 + i * 24) * HOUR), { proof: passed('2027-01-01T00:00:00Z') }),
    );
    const policy = { last: 7, daily: 7, minimum: 3 };
    const plan = planRetention([...flood, ...real], policy, NOW);
    expect(plan.remove).toEqual([]);
    expect(plan.keep.filter(({ entry: one }) => real.includes(one)).every(({ why }) => why.includes('last 7'))).toBe(true);
    expect(plan.keep.filter(({ why }) => why.includes('its time is in the future'))).toHaveLength(100);
  });

  it('takes a clock that is a little ahead for what it is', () => {
    const ahead = entry(new Date(NOW.getTime() + HOUR / 2));
    expect(whyOf([ahead, ...daily(2)], { last: 1 })).toEqual({ '2026-11-21': ['last 1'] });
    const midnight = new Date('2026-11-21T23:50:00Z');
    const nextDay = entry('2026-11-22T00:10:00Z');
    expect(planRetention([nextDay, entry('2026-11-21T09:00Z')], { daily: 9 }, midnight).keep).toMatchObject([
      { why: ['daily 2026-11-21'] },
    ]);
  });
});

describe('while the newest backups fail', () => {
  const nothingRemoved = (entries: readonly Retained[], options: RetentionOptions = {}): string | undefined => {
    const plan = planRetention(entries, { last: 1 }, NOW, options);
    expect(plan.keep).toHaveLength(entries.length - plan.remove.length);
    return plan.remove.length === 0 ? plan.frozen['files'] : undefined;
  };

  it('nothing is removed: the newest drill of any backup failed', () => {
    const entries = daily(5).map((one, i) =>
      i === 3 ? { ...one, proof: failed('2026-11-21T03:00:00Z') } : i === 1 ? { ...one, proof: passed('2026-11-20T03:00:00Z') } : one,
    );
    expect(nothingRemoved(entries)).toContain('the newest drill');
  });

  it('things go on once a newer drill passed', () => {
    const entries = daily(5).map((one, i) =>
      i === 1 ? { ...one, proof: failed('2026-11-20T03:00:00Z') } : i === 0 ? { ...one, proof: passed('2026-11-21T03:00:00Z') } : one,
    );
    expect(nothingRemoved(entries)).toBeUndefined();
  });

  it('nothing is removed: the newest manifest cannot be read', () => {
    expect(nothingRemoved(daily(5).map((one, i) => (i === 0 ? { ...one, state: 'broken' as const } : one)))).toContain('cannot be read');
    expect(nothingRemoved(daily(5).map((one) => ({ ...one, state: 'broken' as const })))).toContain('cannot be read');
  });

  it('nothing is removed: backups failed since', () => {
    expect(nothingRemoved(daily(90), { recentFailures: 90 })).toContain('90 backups failed');
    expect(nothingRemoved(daily(90), { recentFailures: 0 })).toBeUndefined();
  });

  it('another source goes on', () => {
    const bad = daily(3).map((one) => ({ ...one, proof: failed('2026-11-21T03:00:00Z') }));
    const plan = planRetention([...bad, ...daily(3).map((one) => ({ ...one, source: 'catalog' }))], { last: 1 }, NOW);
    expect(Object.keys(plan.frozen)).toEqual(['files']);
    expect(plan.remove.map(({ source }) => source)).toEqual(['catalog', 'catalog']);
  });
});

describe('a policy that keeps nothing', () => {
  it.each<[RetentionPolicy]>([
    [{}],
    [{ minimum: 3 }],
    [{ last: undefined }],
    [{ last: 0 }],
    [{ last: -1 }],
    [{ daily: 1.5 }],
    [{ last: 3, weekly: 0 }],
    [{ last: 1, minimum: 0 }],
    [{ last: Number.NaN }],
    [{ last: 1e9 }],
  ])('is refused: %j', (policy) => {
    expect(() => planRetention([], policy, NOW)).toThrow(expect.objectContaining({ code: 'RetentionRefused' }));
  });

  it('is refused with an unknown time zone', () => {
    expect(() => planRetention([], { last: 1 }, NOW, { timezone: 'Mars/Olympus' })).toThrow(
      expect.objectContaining({ code: 'RetentionRefused' }),
    );
  });
});

describe('of any backups', () => {
  const anyEntry = fc
    .record({
      hours: fc.integer({ min: -2000, max: 10_000 }),
      state: fc.constantFrom('sound' as const, 'sound' as const, 'sound' as const, 'broken' as const),
      verdict: fc.constantFrom('never' as const, 'PASSED' as const, 'FAILED' as const, 'NOT_MEASURED' as const),
      drilled: fc.nat(2000),
      source: fc.constantFrom('a', 'b'),
    })
    .map(({ hours, state, verdict, drilled, source }) => {
      const at = new Date(NOW.getTime() - drilled * HOUR).toISOString();
      const proof: ProofState =
        verdict === 'never' ? { state: 'never' } : { state: verdict, at, ...(verdict === 'PASSED' ? { passedAt: at } : {}) };
      return entry(new Date(NOW.getTime() - hours * HOUR), { state, proof, source });
    });
  const entries = fc.array(anyEntry, { maxLength: 40 });
  const count = fc.option(fc.integer({ min: 1, max: 10 }), { nil: undefined });
  const policies = fc
    .record({ last: count, daily: count, weekly: count, monthly: count, minimum: count })
    .filter(({ last, daily: days, weekly, monthly }) => [last, days, weekly, monthly].some((one) => one !== undefined));

  it('each is either kept, with a reason, or removed', () => {
    fc.assert(
      fc.property(entries, policies, (all, policy) => {
        const { keep, remove } = planRetention(all, policy, NOW);
        expect(new Set([...keep.map(({ entry: one }) => one), ...remove])).toEqual(new Set(all));
        expect(keep.length + remove.length).toBe(all.length);
        expect(keep.every(({ why }) => why.length > 0)).toBe(true);
      }),
    );
  });

  it('what was kept is kept again', () => {
    fc.assert(
      fc.property(entries, policies, (all, policy) => {
        const kept = planRetention(all, policy, NOW).keep.map(({ entry: one }) => one);
        expect(planRetention(kept, policy, NOW).remove).toEqual([]);
      }),
    );
  });

  it('the newest proven one, and as many as the minimum, stay', () => {
    fc.assert(
      fc.property(entries, policies, (all, policy) => {
        const { keep } = planRetention(all, policy, NOW);
        const kept = keep.map(({ entry: one }) => one);
        for (const source of ['a', 'b']) {
          const real = all.filter((one) => one.source === source && one.state === 'sound' && Date.parse(one.recordedAt) <= NOW.getTime());
          const proven = real.filter((one) => one.proof.state === 'PASSED').map((one) => one.recordedAt);
          if (proven.length > 0)
            expect(
              kept.some((one) => one.source === source && one.proof.state === 'PASSED' && one.recordedAt === proven.toSorted().at(-1)),
            ).toBe(true);
          const stay = kept.filter((one) => real.includes(one));
          expect(stay.length).toBeGreaterThanOrEqual(Math.min(real.length, policy.minimum ?? 1));
        }
      }),
    );
  });

  it('a flood from the future changes nothing for the others', () => {
    const flood = fc.array(
      fc.integer({ min: 2, max: 100_000 }).map((hours) => entry(new Date(NOW.getTime() + hours * HOUR), { source: 'a' })),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(entries, policies, flood, (all, policy, fakes) => {
        const removed = (some: readonly Retained[]) => new Set(planRetention(some, policy, NOW).remove);
        expect(removed([...fakes, ...all])).toEqual(removed(all));
      }),
    );
  });
});
