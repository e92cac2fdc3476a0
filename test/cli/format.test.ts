import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Progress } from '../../src/backup/progress.ts';
import { age, block, count, duration, plural, size, table } from '../../src/cli/format.ts';
import { type ProgressChoice, printerFor } from '../../src/cli/printers.ts';
import { styleFor } from '../../src/cli/style.ts';
import { editDistance, nearest } from '../../src/cli/suggest.ts';

const MIB = 1024 * 1024;

describe('words for people', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [2048, '2.0 KiB'],
    [0.1 * MIB, '0.1 MiB'],
    [12.34 * MIB, '12.3 MiB'],
    [2048 * MIB, '2048.0 MiB'],
    [20_480 * MIB, '20.0 GiB'],
  ])('%d bytes are %s', (bytes, words) => expect(size(Math.ceil(bytes))).toBe(words));

  it.each([
    [0.25, '0.3 s'],
    [9.96, '10.0 s'],
    [59.6, '1 min'],
    [252, '4 min 12 s'],
    [3600, '1 h 00 min'],
    [7500, '2 h 05 min'],
    [273_600, '3 d 4 h'],
  ])('%d seconds are %s', (seconds, words) => expect(duration(seconds)).toBe(words));

  it.each([
    [0, 'just now'],
    [59, 'just now'],
    [60, '1 minute ago'],
    [-180, 'in 3 minutes'],
    [7200, '2 hours ago'],
    [86_400 * 2.9, '2 days ago'],
    [86_400 * 61, '2 months ago'],
    [86_400 * 800, '2 years ago'],
  ])('%d seconds before now is %s', (seconds, words) => {
    const now = new Date('2026-11-21T12:00:00Z');
    expect(age(new Date(now.getTime() - seconds * 1000), now)).toBe(words);
  });

  it('counts beyond 2^53, and knows one from many', () => {
    expect(count('12345678901234567890')).toBe('12,345,678,901,234,567,890');
    expect([plural(1, 'class', 'classes'), plural('0', 'row'), plural(2n, 'row')]).toEqual(['1 class', '0 rows', '2 rows']);
  });

  it('lines up tables and blocks', () => {
    expect(
      table(
        ['A', 'N'],
        [
          ['long one', '1'],
          ['b', '1,000'],
        ],
        { right: [1] },
      ),
    ).toBe('A             N\nlong one      1\nb         1,000');
    expect(
      block(
        [
          ['a', 'x'],
          ['long', 'y'],
        ],
        '  ',
      ),
    ).toBe('  a:     x\n  long:  y');
  });
});

describe('did you mean', () => {
  const words = ['backup', 'list', 'load', 'logs', 'verify'];
  it.each([
    ['bakcup', 'backup'],
    ['backups', 'backup'],
    ['back', 'backup'],
    ['lst', 'list'],
    ['verfy', 'verify'],
    ['frobnicate', undefined],
    ['x', undefined],
  ])('%s: %s', (typed, word) => expect(nearest(typed, words)).toBe(word));
  it('counts a swap of neighbours once', () => expect(editDistance('bakcup', 'backup')).toBe(1));
});

describe('progress', () => {
  const events: readonly Progress[] = [
    { type: 'state', machine: 'backup', state: 'DumpTasks' },
    { type: 'planned', stage: 'dump', tasks: 2 },
    { type: 'done', stage: 'dump', rows: 1000, bytes: MIB },
    { type: 'task', stage: 'dump', task: 0, status: 'retried' },
    { type: 'task', stage: 'dump', task: 0, status: 'ended' },
    { type: 'warning', message: 'slow at hunter2' },
    { type: 'done', stage: 'dump', rows: 234, bytes: MIB },
    { type: 'task', stage: 'dump', task: 1, status: 'ended' },
  ];
  const print = (choice: ProgressChoice, isTerminal = false, secondsEach = 1): string => {
    let written = '';
    let time = 0;
    const out = new Writable({
      write: (chunk, _, done) => {
        written += String(chunk);
        done();
      },
    });
    const redact = (text: string) => text.replaceAll('hunter2', '***');
    const printer = printerFor(choice, isTerminal, { out, now: () => new Date(time), columns: 80, style: styleFor(false), redact });
    for (const event of events) {
      printer.report(event);
      time += secondsEach * 1000;
    }
    printer.stop();
    return written;
  };

  it('is lines where there is no terminal: states, plans, retries, warnings, ends', () => {
    const lines =
      'backup: DumpTasks\ndump: 2 tasks\ndump: task 0 is tried again\nwarning: slow at ***\ndump: 2/2 tasks, 1,234 rows, 2.0 MiB\n';
    expect(print('plain')).toBe(lines);
    expect(print('auto')).toBe(lines);
  });

  it('is a line now and then when work takes long', () => {
    expect(print('plain', false, 20)).toContain('dump: 0/2 tasks, 1,000 rows, 1.0 MiB\n');
  });

  it('is one line that changes on a terminal, and is gone at the end', () => {
    const written = print('auto', true);
    const shown = written.split('\r\x1b[2K');
    expect(shown).toContain('warning: slow at ***\n');
    expect(shown.at(-2)).toBe('backup › DumpTasks   dump  2/2 tasks  1,234 rows  2.0 MiB   7.0 s');
    expect(shown.at(-1)).toBe('');
    expect(written.replaceAll('***\n', '')).not.toContain('\n');
  });

  it('is one object a line when asked', () => {
    const lines = print('json').trim().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual(
      events.map((event, index) => ({
        time: new Date(index * 1000).toISOString(),
        ...event,
        ...(event.type === 'warning' ? { message: 'slow at ***' } : {}),
      })),
    );
  });

  it('is nothing when that is asked', () => expect(print('none')).toBe(''));
});
