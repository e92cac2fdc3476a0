/** How old a result of a schedule may become before somebody should look: its longest gap, and room for the run itself. */

const HOUR = 3600;
const DAY = 24 * HOUR;

/** A night's run may start late, be retried and take its time. */
const ROOM = 2 * HOUR;

const UNITS: Readonly<Record<string, number>> = { minute: 60, hour: HOUR, day: DAY };

/** Seconds between two starts at most, as far as the expression says; a month has up to 31 days. */
export const longestGap = (schedule: string): number => {
  const rate = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(schedule);
  if (rate !== null) return Number(rate[1]) * (UNITS[rate[2] ?? ''] ?? DAY);
  const fields = schedule.replace(/^cron\(|\)$/g, '').split(' ');
  const [, hours = '*', days = '*', months = '*', weekdays = '?', years = '*'] = fields;
  if (years !== '*' || months !== '*') return 366 * DAY;
  if (!isEvery(days)) return 31 * DAY;
  if (!isEvery(weekdays)) return weekdays.includes('#') ? 35 * DAY : 7 * DAY;
  return hours === '*' ? HOUR : DAY;
};

const isEvery = (field: string): boolean => field === '*' || field === '?';

/** The goal of the environment counts before what the schedule says; undefined when neither says anything. */
export const allowedAge = (schedule: string | undefined, goalSeconds?: number): number | undefined => {
  if (goalSeconds !== undefined) return goalSeconds;
  return schedule === undefined ? undefined : longestGap(schedule) + ROOM;
};
