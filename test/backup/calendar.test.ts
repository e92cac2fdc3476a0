import { describe, expect, it } from 'vitest';
import { calendarIn } from '../../src/backup/calendar.ts';

describe('the calendar', () => {
  it.each([
    ['2026-01-01', '2026-W01'],
    ['2027-01-01', '2026-W53'],
    ['2027-01-03', '2026-W53'],
    ['2027-01-04', '2027-W01'],
    ['2024-12-30', '2025-W01'],
    ['2023-01-01', '2022-W52'],
    ['2024-02-29', '2024-W09'],
    ['2026-11-22', '2026-W47'],
    ['2026-11-23', '2026-W48'],
  ])('%s lies in %s', (day, week) => {
    expect(calendarIn('UTC').week(new Date(`${day}T12:00:00Z`))).toBe(week);
  });

  it('counts days as its time zone does, also when the clocks change', () => {
    const berlin = calendarIn('Europe/Berlin');
    const days = (...times: string[]) => times.map((time) => berlin.day(new Date(time)));
    expect(days('2026-03-28T22:59:59Z', '2026-03-28T23:00:00Z', '2026-03-29T21:59:59Z', '2026-03-29T22:00:00Z')).toEqual([
      '2026-03-28',
      '2026-03-29',
      '2026-03-29',
      '2026-03-30',
    ]);
    expect(days('2026-10-24T22:00:00Z', '2026-10-25T22:59:59Z', '2026-10-25T23:00:00Z')).toEqual([
      '2026-10-25',
      '2026-10-25',
      '2026-10-26',
    ]);
  });

  it('is ahead of UTC by up to fourteen hours, and behind it by eleven', () => {
    const at = new Date('2026-12-31T11:00:00Z');
    expect(calendarIn('Pacific/Kiritimati').month(at)).toBe('2027-01');
    expect(calendarIn('Pacific/Pago_Pago').day(new Date('2027-01-01T10:59:00Z'))).toBe('2026-12-31');
  });

  it('refuses a time zone that nobody knows', () => {
    expect(() => calendarIn('Europe/Atlantis')).toThrow(expect.objectContaining({ code: 'RetentionRefused' }));
  });
});
