import type { Writable } from 'node:stream';
import type { Progress, Report } from '../backup/progress.ts';
import { duration, plural, size } from './format.ts';
import type { Style } from './style.ts';

/** Tells progress to whoever looks. `stop` takes a live line away; after it, nothing is printed. */
export interface Printer {
  readonly report: Report;
  stop(): void;
}

export interface PrinterInput {
  readonly out: Writable;
  readonly now: () => Date;
  readonly columns: number;
  readonly style: Style;
  readonly redact: (text: string) => string;
}

/** A live line is repainted at most this often. */
const REPAINT_MS = 100;

/** Lines about work in the middle of a stage, where there is no terminal. */
const PLAIN_EVERY_MS = 10_000;

/** What is known of the work: updated by each report, read by each line. */
interface Tally {
  machine: string;
  state: string;
  stage: string;
  tasks: number;
  ended: number;
  rows: number;
  bytes: number;
}

const tally = (): Tally => ({ machine: '', state: '', stage: '', tasks: 0, ended: 0, rows: 0, bytes: 0 });

const enter = (sums: Tally, stage: string): void => {
  if (sums.stage !== stage) Object.assign(sums, { stage, tasks: 0, ended: 0, rows: 0, bytes: 0 });
};

const note = (sums: Tally, progress: Progress): void => {
  switch (progress.type) {
    case 'state':
      sums.machine = progress.machine;
      sums.state = progress.state;
      return;
    case 'planned':
      Object.assign(sums, { stage: progress.stage, tasks: progress.tasks, ended: 0, rows: 0, bytes: 0 });
      return;
    case 'tally':
      enter(sums, progress.stage);
      Object.assign(sums, { tasks: progress.tasks, ended: progress.ended });
      return;
    case 'task':
      enter(sums, progress.stage);
      if (progress.status === 'ended') sums.ended += 1;
      return;
    case 'done':
      enter(sums, progress.stage);
      sums.rows += progress.rows;
      sums.bytes += progress.bytes;
      return;
    case 'warning':
      return;
  }
};

/** A count of tasks only where they were planned: nothing is called complete that was not counted. */
const describe = (sums: Tally): string[] => [
  ...(sums.tasks > 0 ? [`${sums.ended}/${plural(sums.tasks, 'task')}`] : []),
  ...(sums.rows > 0 ? [plural(sums.rows, 'row')] : []),
  ...(sums.bytes > 0 ? [size(sums.bytes)] : []),
];

/** One line that changes in place. */
export const ttyPrinter = ({ out, now, columns, style, redact }: PrinterInput): Printer => {
  const sums = tally();
  const started = now().getTime();
  let painted = Number.NEGATIVE_INFINITY;
  const clear = '\r\x1b[2K';
  const paint = (): void => {
    const elapsed = duration((now().getTime() - started) / 1000);
    const line = [
      [sums.machine, sums.state].filter((part) => part !== '').join(' › '),
      [sums.stage, ...describe(sums)].join('  ').trim(),
      elapsed,
    ];
    out.write(
      `${clear}${style.dim(
        line
          .filter((part) => part !== '')
          .join('   ')
          .slice(0, columns - 1),
      )}`,
    );
  };
  return {
    report: (progress) => {
      note(sums, progress);
      if (progress.type === 'warning') out.write(`${clear}${style.warn('warning:')} ${redact(progress.message)}\n`);
      const at = now().getTime();
      if (progress.type === 'done' && at - painted < REPAINT_MS) return;
      painted = at;
      paint();
    },
    stop: () => out.write(clear),
  };
};

/** A line a state, a plan, a retry, a warning; and one every PLAIN_EVERY_MS in between. */
export const plainPrinter = ({ out, now, redact }: PrinterInput): Printer => {
  const sums = tally();
  let said = now().getTime();
  const say = (line: string): void => {
    said = now().getTime();
    out.write(`${redact(line)}\n`);
  };
  const sayTally = (): void => say(`${sums.stage}: ${describe(sums).join(', ')}`);
  return {
    report: (progress) => {
      note(sums, progress);
      switch (progress.type) {
        case 'state':
          return say(`${progress.machine}: ${progress.state}`);
        case 'planned':
          return say(`${progress.stage}: ${plural(progress.tasks, 'task')}`);
        case 'tally':
          if (progress.ended === progress.tasks) return sayTally();
          break;
        case 'warning':
          return say(`warning: ${progress.message}`);
        case 'task':
          if (progress.status === 'retried') return say(`${progress.stage}: task ${progress.task} is tried again`);
          if (sums.tasks > 0 && sums.ended === sums.tasks) return sayTally();
          break;
        case 'done':
          break;
      }
      if (now().getTime() - said >= PLAIN_EVERY_MS) sayTally();
    },
    stop: () => undefined,
  };
};

/** One object a line, as reported, with the time. */
export const jsonPrinter = ({ out, now, redact }: PrinterInput): Printer => ({
  report: (progress) => {
    const line = progress.type === 'warning' ? { ...progress, message: redact(progress.message) } : progress;
    out.write(`${JSON.stringify({ time: now().toISOString(), ...line })}\n`);
  },
  stop: () => undefined,
});

const silent: Printer = { report: () => undefined, stop: () => undefined };

export const PROGRESS_CHOICES = ['auto', 'tty', 'plain', 'json', 'none'] as const;
export type ProgressChoice = (typeof PROGRESS_CHOICES)[number];

export const isProgressChoice = (text: string): text is ProgressChoice => PROGRESS_CHOICES.some((choice) => choice === text);

export const printerFor = (choice: ProgressChoice, isTerminal: boolean, input: PrinterInput): Printer => {
  switch (choice) {
    case 'auto':
      return isTerminal ? ttyPrinter(input) : plainPrinter(input);
    case 'tty':
      return ttyPrinter(input);
    case 'plain':
      return plainPrinter(input);
    case 'json':
      return jsonPrinter(input);
    case 'none':
      return silent;
  }
};
