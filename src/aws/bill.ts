import type { Bill, BillLine } from '../cli/engine.ts';
import { PRICES, type PriceName } from './prices.ts';
import type { Usage } from './work.ts';

/** A quantity at its list price. */
export const line = (what: string, quantity: number, name: PriceName): BillLine => {
  const { usd, unit, source, asOf } = PRICES[name];
  return { what, quantity, unit, usd: quantity * usd, source, asOf };
};

export const billOf = (lines: readonly BillLine[]): Bill => ({ lines, usd: lines.reduce((sum, { usd }) => sum + usd, 0) });

const GB = 1e9;

/** What one execution costs, all but storage. */
export const runLines = (what: string, usage: Usage, times = 1): readonly BillLine[] => [
  line(`${what}: compute`, times * usage.gbSeconds, 'lambdaGbSecond'),
  line(`${what}: /tmp`, times * usage.temporaryGbSeconds, 'lambdaTemporaryGbSecond'),
  line(`${what}: invocations`, times * usage.invocations, 'lambdaRequest'),
  line(`${what}: transitions`, times * usage.transitions, 'transition'),
  line(`${what}: writes to S3`, times * usage.writes, 's3Write'),
  line(`${what}: reads of S3`, times * usage.reads, 's3Read'),
  line(`${what}: logs`, (times * usage.logBytes) / GB, 'logGb'),
];

export interface Stored {
  /** Of one backup. */
  readonly bytes: number;
  /** Backups that retention keeps. */
  readonly kept: number;
  /** Backups that were pruned within the time in which that can be undone. */
  readonly pruned: number;
  readonly replicated: boolean;
  readonly backupsPerMonth: number;
}

/** Per month, in the steady state. */
export const storageLines = ({ bytes, kept, pruned, replicated, backupsPerMonth }: Stored): readonly BillLine[] => {
  const size = bytes / GB;
  return [
    line(`storage: ${kept} backups`, kept * size, 's3GbMonth'),
    ...(pruned === 0 ? [] : [line(`storage: ${pruned} pruned backups that can be brought back`, pruned * size, 's3GbMonth')]),
    ...(replicated
      ? [line('replica: storage', (kept + pruned) * size, 's3GbMonth'), line('replica: transfer', backupsPerMonth * size, 'regionGb')]
      : []),
  ];
};
