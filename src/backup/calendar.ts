import { LifeboatError } from '../errors.ts';

export interface Calendar {
  /** `2026-11-21` */
  day(at: Date): string;
  /** ISO 8601, weeks begin on Monday and belong to the year of their Thursday: `2026-W47` */
  week(at: Date): string;
  /** `2026-11` */
  month(at: Date): string;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** Days, weeks and months as people in a time zone count them (an IANA name). Fails with RetentionRefused on an unknown one. */
export const calendarIn = (timezone: string): Calendar => {
  const format = formatIn(timezone);
  const day = (at: Date): string => {
    const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
    return `${parts['year']?.padStart(4, '0')}-${parts['month']}-${parts['day']}`;
  };
  return { day, week: (at) => weekOf(day(at)), month: (at) => day(at).slice(0, 7) };
};

const formatIn = (timezone: string): Intl.DateTimeFormat => {
  try {
    return new Intl.DateTimeFormat('en', {
      timeZone: timezone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
    });
  } catch (cause) {
    throw new LifeboatError('RetentionRefused', `unknown time zone ${timezone}`, {
      hint: 'Use an IANA name, like Europe/Berlin, or UTC.',
      cause,
    });
  }
};

/** Calendar days have no time zone any more, so UTC counts them without a shift. */
const weekOf = (day: string): string => {
  const date = new Date(`${day}T00:00:00Z`);
  const daysAfterMonday = (date.getUTCDay() + 6) % 7;
  const thursday = new Date(date.getTime() + (3 - daysAfterMonday) * DAY_MS);
  const year = thursday.getUTCFullYear();
  const week = Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / (7 * DAY_MS)) + 1;
  return `${year}-W${String(week).padStart(2, '0')}`;
};
