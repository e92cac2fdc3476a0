/** Numbers and times as a person reads them. All times are UTC: a proof is read far from where it was made. */

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `0.42 s`, `8.4 s`, `4 min 12 s`, `2 h 3 min`, `3 d`. Rounded to what is worth reading. */
export const seconds = (value: number): string => {
  if (value < 1) return `${value.toFixed(2)} s`;
  if (value < 9.95) return `${value.toFixed(1)} s`;
  const whole = Math.round(value);
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return inTwo(whole, MINUTE, 'min', 1, 's');
  const minutes = Math.round(value / MINUTE) * MINUTE;
  return minutes < DAY ? inTwo(minutes, HOUR, 'h', MINUTE, 'min') : inTwo(Math.round(value / HOUR) * HOUR, DAY, 'd', HOUR, 'h');
};

const inTwo = (value: number, large: number, largeName: string, small: number, smallName: string): string => {
  const rest = (value % large) / small;
  return `${integer(Math.floor(value / large))} ${largeName}${rest === 0 ? '' : ` ${rest} ${smallName}`}`;
};

export const atMost = (value: number): string => `at most ${seconds(value)}`;

/** `12,345,678`. */
export const integer = (value: number | bigint): string => value.toLocaleString('en-US');

/** A count as counts pass through JSON; what is longer or begins with a zero is rather a name than a count. */
const COUNT = /^(0|[1-9]\d{0,14})$/;

export const isCount = (value: string): boolean => COUNT.test(value);

/** What a check expected or found: counts as numbers, all else exactly as it is. */
export const measured = (value: string): string => (isCount(value) ? integer(BigInt(value)) : value);

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** `512 bytes`, `1.24 GiB`. */
export const bytes = (value: number): string => {
  if (value < 1024) return counted(value, 'byte');
  const power = Math.min(Math.floor(Math.log2(value) / 10), UNITS.length);
  const scaled = value / 1024 ** power;
  return `${scaled.toFixed(scaled < 10 ? 2 : scaled < 100 ? 1 : 0)} ${UNITS[power - 1] ?? ''}`;
};

const ISO = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})/;

/** `2026-11-21 03:00:05 UTC`; text that is no time is left as it is. */
export const instant = (iso: string): string => {
  const match = Number.isNaN(Date.parse(iso)) ? null : ISO.exec(new Date(iso).toISOString());
  return match === null ? iso : `${match[1]} ${match[2]} UTC`;
};

/** `2026-11-21`. */
export const day = (iso: string): string => instant(iso).slice(0, 10);

export const counted = (n: number | bigint, noun: string, plural = `${noun}s`): string =>
  `${integer(n)} ${Number(n) === 1 ? noun : plural}`;

/** A share of a width, for an attribute of an SVG: `12.345%`. */
export const percent = (part: number, whole: number): string => `${whole > 0 ? ((part / whole) * 100).toFixed(3) : '0'}%`;
