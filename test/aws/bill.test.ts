import { describe, expect, it } from 'vitest';
import { billOf, line, runLines, storageLines } from '../../src/aws/bill.ts';
import { limitsOf } from '../../src/aws/limits.ts';
import { keptBackups } from '../../src/aws/plan.ts';
import { PRICES } from '../../src/aws/prices.ts';
import { startsPerMonth } from '../../src/aws/schedule.ts';
import { type BackupWork, backupUsage } from '../../src/aws/work.ts';
import { countBackup } from './counted.ts';

const SIZES = { workMb: 1769, longMb: 512, temporaryMb: 2048 };

/** 5 GB a night at 12 MB/s in one function: /work of the guide's example, without lanes. */
const NIGHT: BackupWork = { tasks: 10, parts: 10, segments: 80, bytes: 1.25e9, seconds: 430, concurrency: 1, lanes: 0 };

describe('a bill', () => {
  it('is what the example comes to by hand', () => {
    const usage = backupUsage(NIGHT, SIZES);
    // 430 s in one function of 1769 MB, and 30 s around it: 460 × 1769/1024 = 794.668 GB-s.
    expect(usage.gbSeconds).toBeCloseTo(794.668, 2);
    expect(usage).toMatchObject({ transitions: 59, invocations: 17, writes: 126, reads: 109 });
    const { lines, usd } = billOf(runLines('backup', usage));
    const usdOf = (what: string) => lines.find((each) => each.what === `backup: ${what}`)?.usd;
    // 794.668 × 0.0000133334
    expect(usdOf('compute')).toBeCloseTo(0.0105956, 6);
    // 430 s × 1.5 GB × 0.0000000309
    expect(usdOf('/tmp')).toBeCloseTo(0.0000199, 6);
    // 59 × 0.025/1000
    expect(usdOf('transitions')).toBeCloseTo(0.001475, 7);
    // 126 × 0.005/1000
    expect(usdOf('writes to S3')).toBeCloseTo(0.00063, 7);
    // 109 × 0.0004/1000
    expect(usdOf('reads of S3')).toBeCloseTo(0.0000436, 7);
    // 17 × 0.2/1e6
    expect(usdOf('invocations')).toBeCloseTo(0.0000034, 9);
    // 17 × 2000 + 59 × 3000 bytes = 211 000 bytes × 0.5/1e9
    expect(usdOf('logs')).toBeCloseTo(0.0001055, 7);
    expect(usd).toBeCloseTo(0.0128726, 5);
  });

  it('counts what is kept, what can be brought back, and the replica', () => {
    const lines = storageLines({ bytes: 5e9, kept: 30, pruned: 30, replicated: true, backupsPerMonth: 30 });
    // 150 GB × 0.023, twice, then both again elsewhere, and 150 GB × 0.02 to get there.
    expect(lines.map(({ usd }) => Number(usd.toFixed(4)))).toEqual([3.45, 3.45, 6.9, 3]);
  });

  it('counts two lanes of holders for a source whose instant lives in a connection', () => {
    const [without, held] = [backupUsage(NIGHT, SIZES), backupUsage({ ...NIGHT, lanes: 2 }, SIZES)];
    // Two functions of 512 MB for 430 s.
    expect(held.gbSeconds - without.gbSeconds).toBeCloseTo(430, 5);
    expect(held.transitions - without.transitions).toBe(6);
  });

  it('names source and date of every price', () => {
    for (const price of Object.values(PRICES)) {
      expect(price.usd).toBeGreaterThan(0);
      expect(price.source.length).toBeGreaterThan(10);
      expect(price.asOf).toMatch(/^20\d\d(-\d\d)?$/);
    }
    expect(line('secrets', 2, 'secretMonth')).toMatchObject({ usd: 0.8, source: 'AWS Price List API, quoted 2 Oct 2026', asOf: '2026-10' });
  });
});

describe('the work of a backup', () => {
  it.each([
    [3, false, 0],
    [30, false, 0],
    [120, false, 0],
    [30, true, 0],
    [60, true, 60_000],
  ] as const)('is what the machines and functions really ask for: %i rows, held: %s', async (rows, holds, segmentMs) => {
    const counted = await countBackup(rows, holds, segmentMs);
    const { tasks, parts, segments, seconds } = counted;
    const usage = backupUsage({ tasks, parts, segments, bytes: 0, seconds, concurrency: 2, lanes: holds ? 2 : 0 }, SIZES);
    // An upper bound: lanes read more the longer they hold. Rounds of lanes depend on when they began; everything else is exact.
    expect(Math.abs(usage.transitions - counted.transitions)).toBeLessThanOrEqual(holds ? 8 : 0);
    expect(Math.abs(usage.invocations - counted.invocations)).toBeLessThanOrEqual(holds ? 4 : 0);
    for (const [estimated, real] of [
      [usage.writes, counted.writes],
      [usage.reads, counted.reads],
    ] as const) {
      expect(estimated).toBeGreaterThanOrEqual(real * 0.9);
      expect(estimated).toBeLessThanOrEqual(real * 2 + 20);
    }
  });
});

describe('a schedule', () => {
  it.each([
    [undefined, 0],
    ['rate(1 day)', 30.417],
    ['rate(6 hours)', 121.667],
    ['cron(30 1 * * ? *)', 30.417],
    ['cron(0 * * * ? *)', 730],
    ['cron(0/15 * * * ? *)', 2920],
    ['cron(0 5 ? * TUE *)', 4.345],
    ['cron(0 5 ? * MON-FRI *)', 21.726],
    ['cron(0 6 1 * ? *)', 0.981],
    ['cron(0 6 1,15 * ? *)', 1.962],
    ['cron(0 6 L * ? *)', 1],
    ['cron(0 6 ? * 2#1 *)', 1],
    ['cron(0 6 1 1,7 ? *)', 0.164],
  ])('%s starts %d times a month', (expression, starts) => {
    expect(startsPerMonth(expression)).toBeCloseTo(starts, 2);
  });

  it('and a retention say how many backups there are in the end', () => {
    const entry = { kind: 'postgres', address: null };
    const now = new Date('2026-11-21T12:00:00Z');
    expect(keptBackups({ ...entry, retention: { daily: 14 } }, startsPerMonth('rate(1 day)'), now)).toBe(14);
    // The last day's are the newest of two days.
    expect(keptBackups({ ...entry, retention: { last: 24, daily: 7 } }, startsPerMonth('rate(1 hour)'), now)).toBe(24 + 5);
    expect(keptBackups(entry, startsPerMonth('rate(1 day)'), now)).toBe(365);
    expect(keptBackups(entry, 0, now)).toBe(1);
  });
});

describe('the limits', () => {
  const of = (work: Partial<BackupWork>, more: { readonly largest?: number; readonly together?: boolean } = {}) => {
    const whole = { ...NIGHT, ...work };
    const environment = { name: 'prod', root: '/', store: { url: 's3://b' }, control: { url: 's3://c' }, sources: {}, targets: {} };
    const limits = limitsOf({
      work: whole,
      usage: backupUsage(whole, SIZES),
      sizes: SIZES,
      largest: 0,
      together: false,
      environment,
      ...more,
    });
    return limits.filter(({ fits }) => !fits).map(({ what }) => what);
  };

  it.each([
    ['an ordinary night', {}, {}, []],
    ['ten thousand tasks and one', { tasks: 10_001, parts: 10_001 }, {}, ['children of the Map run']],
    ['a day', { seconds: 86_400, parts: 200, tasks: 200 }, {}, ['time of a backup']],
    ['lanes that take longer than a function may', { seconds: 901 }, { together: true }, ['time of a lane, which cannot hand back']],
    ['a segment larger than /tmp', {}, { largest: 3e9 }, ['/tmp of dump-task']],
  ] as const)('are told of %s', (_, work, more, broken) => {
    expect(of(work, more)).toEqual(broken);
  });
});
