import { describe, expect, it } from 'vitest';
import { bytes, counted, instant, measured, percent, seconds } from '../../../src/drill/report/format.ts';

describe('format', () => {
  it.each([
    [0, '0.00 s'],
    [0.994, '0.99 s'],
    [9.94, '9.9 s'],
    [9.96, '10 s'],
    [59.6, '1 min'],
    [252.4, '4 min 12 s'],
    [3599.6, '1 h'],
    [3600 + 29.9 * 60, '1 h 30 min'],
    [86_399, '1 d'],
    [86_400 * 3 + 3600 * 4, '3 d 4 h'],
    [86_400 * 1234.99, '1,235 d'],
  ])('%f seconds are %s', (value, text) => {
    expect(seconds(value)).toBe(text);
  });

  it.each([
    [0, '0 bytes'],
    [1, '1 byte'],
    [1023, '1,023 bytes'],
    [1024, '1.00 KiB'],
    [1024 ** 3 * 12.34, '12.3 GiB'],
    [1024 ** 5 * 5000, '5000 PiB'],
  ])('%f bytes are %s', (value, text) => {
    expect(bytes(value)).toBe(text);
  });

  it('writes counts as numbers, and leaves all else as it is', () => {
    expect(['0', '1234567', '007', '1.13.4', '9'.repeat(16), ''].map(measured)).toEqual([
      '0',
      '1,234,567',
      '007',
      '1.13.4',
      '9'.repeat(16),
      '',
    ]);
    expect(counted(1, 'class', 'classes')).toBe('1 class');
  });

  it('writes times in UTC, and leaves what is no time', () => {
    expect(instant('2026-11-21T04:00:05.9+01:00')).toBe('2026-11-21 03:00:05 UTC');
    expect(instant('<b>')).toBe('<b>');
  });

  it('never divides by nothing', () => {
    expect([percent(1, 4), percent(1, 0)]).toEqual(['25.000%', '0%']);
  });
});
