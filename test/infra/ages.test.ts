import { describe, expect, it } from 'vitest';
import { allowedAge, longestGap } from '../../infra/ages.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;

describe('the longest gap of a schedule', () => {
  it.each([
    ['rate(15 minutes)', 900],
    ['rate(6 hours)', 6 * HOUR],
    ['rate(2 days)', 2 * DAY],
    ['cron(0 * * * ? *)', HOUR],
    ['cron(30 1 * * ? *)', DAY],
    ['cron(30 1,13 * * ? *)', DAY],
    ['cron(0 5 ? * TUE *)', 7 * DAY],
    ['cron(0 5 ? * MON-FRI *)', 7 * DAY],
    ['cron(0 5 ? * TUE#1 *)', 35 * DAY],
    ['cron(0 5 1 * ? *)', 31 * DAY],
    ['cron(0 5 1 1 ? *)', 366 * DAY],
  ])('%s is at most %i s', (schedule, gap) => {
    expect(longestGap(schedule)).toBe(gap);
  });
});

describe('the age that alarms', () => {
  it('is the goal, where there is one', () => expect(allowedAge('rate(1 day)', 90_000)).toBe(90_000));
  it('is the gap and time for the run, where there is none', () => expect(allowedAge('rate(1 day)')).toBe(DAY + 2 * HOUR));
  it('is unknown without a schedule', () => expect(allowedAge(undefined)).toBeUndefined());
});
