import { expect, it } from 'vitest';
import { countRows, generatedClass } from '../../src/backup/rows.ts';

it('counts the rows of generated classes once, with the class that they belong to', () => {
  const rows = (name: string, count: string) => ({ name, rows: count });
  expect(countRows([])).toBe('0');
  expect(countRows([rows('public.t', '3'), rows(generatedClass('public.t'), '3'), rows('public.u', '9007199254740993')])).toBe(
    '9007199254740996',
  );
  expect(countRows([rows('odd (generated)', '3')])).toBe('3');
});
