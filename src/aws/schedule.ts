/** How often a schedule of EventBridge starts, on average. */

const HOURS_PER_MONTH = (365 * 24) / 12;
const DAYS_PER_MONTH = 365 / 12;

const UNIT_HOURS: Readonly<Record<string, number>> = { minute: 1 / 60, hour: 1, day: 24 };

/** Starts in an average month; 0 without a schedule. L, W and # are days that come once a month. */
export const startsPerMonth = (expression: string | undefined): number => {
  if (expression === undefined) return 0;
  const rate = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(expression);
  if (rate !== null) return HOURS_PER_MONTH / (Number(rate[1]) * (UNIT_HOURS[rate[2] ?? ''] ?? 24));
  const [minutes = '*', hours = '*', days = '*', months = '*', weekdays = '?'] = expression.replace(/^cron\(|\)$/g, '').split(' ');
  const daysPerMonth = isEvery(days) ? weekdaysPerMonth(weekdays) : /[LW]/.test(days) ? 1 : countOf(days, 1, 31) * (DAYS_PER_MONTH / 31);
  return countOf(minutes, 0, 59) * countOf(hours, 0, 23) * daysPerMonth * (countOf(months, 1, 12, MONTHS) / 12);
};

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];

const isEvery = (field: string): boolean => field === '*' || field === '?';

const weekdaysPerMonth = (field: string): number => {
  if (isEvery(field)) return DAYS_PER_MONTH;
  return /[L#]/.test(field) ? 1 : countOf(field, 1, 7, WEEKDAYS) * (DAYS_PER_MONTH / 7);
};

/** Values of a field: `*`, `1,15`, `1-5`, `0/15`, `MON-FRI`. */
const countOf = (field: string, min: number, max: number, names: readonly string[] = []): number => {
  const numberOf = (text: string): number => {
    const named = names.indexOf(text.toUpperCase());
    return named === -1 ? Number(text) : named + min;
  };
  const values = new Set<number>();
  for (const part of field.split(',')) {
    const [range = '*', step = '1'] = part.split('/');
    const [from = '', to] = range.split('-');
    const first = isEvery(range) ? min : numberOf(from);
    const last = isEvery(range) || (to === undefined && part.includes('/')) ? max : numberOf(to ?? from);
    for (let value = first; value <= Math.min(last, max); value += Math.max(1, Number(step))) values.add(value);
  }
  return values.size;
};
