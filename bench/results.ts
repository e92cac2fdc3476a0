/** Medians of the rounds, as a markdown table, and what they say about the goals. */
import type { Cost } from './measure.ts';

export interface Measured extends Cost {
  readonly name: string;
  /** Written; 0 where nothing is. */
  readonly bytes: number;
}

export interface Goal {
  readonly what: string;
  readonly measured: number;
  readonly unit: '×' | ' MB';
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** One line a name, in order of first appearance. */
export function medians(all: readonly Measured[]): ReadonlyMap<string, Measured> {
  const rounds = Map.groupBy(all, ({ name }) => name);
  return new Map([...rounds].map(([name, of]) => [name, medianOf(name, of)]));
}

function medianOf(name: string, rounds: readonly Measured[]): Measured {
  const median = (field: keyof Omit<Measured, 'name'>): number => {
    const sorted = rounds.map((round) => round[field]).toSorted((a, b) => a - b);
    return sorted[sorted.length >> 1] ?? Number.NaN;
  };
  return {
    name,
    wallSeconds: median('wallSeconds'),
    cpuSeconds: median('cpuSeconds'),
    // Of memory the worst round counts.
    largestBytes: Math.max(...rounds.map(({ largestBytes }) => largestBytes)),
    allBytes: Math.max(...rounds.map(({ allBytes }) => allBytes)),
    bytes: median('bytes'),
  };
}

/** @param beside the name of the line that the others' wall time is divided by */
export function table(lines: ReadonlyMap<string, Measured>, beside: string): string {
  const base = lines.get(beside)?.wallSeconds ?? Number.NaN;
  const rows = [...lines.values()].map((line) => [
    line.name,
    line.wallSeconds.toFixed(1),
    line.cpuSeconds.toFixed(1),
    megabytes(line.largestBytes),
    megabytes(line.allBytes),
    line.bytes === 0 ? '–' : megabytes(line.bytes),
    (line.wallSeconds / base).toFixed(2),
  ]);
  const head = ['', 'wall s', 'client CPU s', 'largest process MB', 'all processes MB', 'written MB', `wall ÷ ${beside}`];
  return [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

export function verdict({ what, measured, unit, atLeast, atMost }: Goal): string {
  const wanted = atLeast === undefined ? `at most ${atMost}${unit}` : `at least ${atLeast}${unit}`;
  if (Number.isNaN(measured)) return `- ${what}: NOT MEASURED (goal: ${wanted})`;
  const reached = measured >= (atLeast ?? -Infinity) && measured <= (atMost ?? Infinity);
  return `- ${what}: ${measured.toFixed(2)}${unit}, ${reached ? 'reached' : 'MISSED'} (goal: ${wanted})`;
}

export const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0);
