const KIB = 1024;
const MIB = KIB * KIB;
const GIB = MIB * KIB;

/** Sizes in MiB, from 10 GiB on in GiB, below 0.1 MiB in KiB: `12.3 MiB`. */
export const size = (bytes: number): string => {
  if (bytes >= 10 * GIB) return `${(bytes / GIB).toFixed(1)} GiB`;
  if (bytes >= MIB / 10) return `${(bytes / MIB).toFixed(1)} MiB`;
  return bytes >= KIB ? `${(bytes / KIB).toFixed(1)} KiB` : `${bytes} B`;
};

/** `1,234,567`; counts that pass through JSON are strings. */
export const count = (value: string | number | bigint): string => BigInt(value).toLocaleString('en-US');

export const plural = (value: string | number | bigint, noun: string, many = `${noun}s`): string =>
  `${count(value)} ${BigInt(value) === 1n ? noun : many}`;

/** `0.3 s`, `12 s`, `4 min 12 s`, `2 h 05 min`, `3 d 4 h`. */
export const duration = (seconds: number): string => {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return whole % 60 === 0 ? `${minutes} min` : `${minutes} min ${whole % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${String(minutes % 60).padStart(2, '0')} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
};

const AGES: readonly (readonly [unit: string, seconds: number])[] = [
  ['year', 365 * 86_400],
  ['month', 30 * 86_400],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
];

/** `just now`, `5 minutes ago`, `2 days ago`; `in 3 minutes` where clocks differ. */
export const age = (then: Date, now: Date): string => {
  const seconds = (now.getTime() - then.getTime()) / 1000;
  const unit = AGES.find(([, length]) => Math.abs(seconds) >= length);
  if (unit === undefined) return 'just now';
  const amount = plural(Math.floor(Math.abs(seconds) / unit[1]), unit[0]);
  return seconds < 0 ? `in ${amount}` : `${amount} ago`;
};

/** Columns padded to their widest cell; `right` names those that hold numbers. `paint` colours a cell after it was padded. */
export const table = (
  header: readonly string[],
  rows: readonly (readonly string[])[],
  options: { readonly right?: readonly number[]; readonly paint?: (cell: string, column: number, row: number) => string } = {},
): string => {
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)));
  const line = (cells: readonly string[], row: number): string =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        const last = column === cells.length - 1;
        const padded = options.right?.includes(column) === true ? cell.padStart(width) : last ? cell : cell.padEnd(width);
        return row < 0 || options.paint === undefined ? padded : options.paint(padded, column, row);
      })
      .join('  ')
      .trimEnd();
  return [line(header, -1), ...rows.map(line)].join('\n');
};

/** `label:  value` lines, indented, the values below each other. */
export const block = (pairs: readonly (readonly [label: string, value: string])[], indent = '    '): string => {
  const width = Math.max(...pairs.map(([label]) => label.length)) + 1;
  return pairs.map(([label, value]) => `${indent}${`${label}:`.padEnd(width)}  ${value}`.trimEnd()).join('\n');
};
