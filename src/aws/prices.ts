/**
 * List prices of us-east-1 in USD, without free tiers. Each row says where it was read and when; other regions cost more, some by
 * half. What has no price with a source is not in here, and a bill names it as not counted.
 */
export interface Price {
  readonly usd: number;
  /** What one unit is. */
  readonly unit: string;
  readonly source: string;
  /** As exactly as the source says. */
  readonly asOf: string;
}

const PRICE_LIST = 'AWS Price List API, quoted 2 Oct 2026';

export const PRICES = {
  lambdaGbSecond: { usd: 0.0000133334, unit: 'GB-s, arm64', source: 'cloudchipr.com, Lambda pricing', asOf: '2024' },
  lambdaRequest: { usd: 0.2 / 1_000_000, unit: 'invocation', source: PRICE_LIST, asOf: '2026-10' },
  lambdaTemporaryGbSecond: {
    usd: 0.0000000309,
    unit: 'GB-s of /tmp above 512 MB',
    source: 'price catalogue of 2026-08-21 (us-east-2)',
    asOf: '2026-08',
  },
  transition: { usd: 0.025 / 1_000, unit: 'state transition, Standard', source: 'aws.amazon.com/step-functions/pricing', asOf: '2026-11' },
  s3Write: { usd: 0.005 / 1_000, unit: 'PUT or LIST', source: 'S3 price list, tier 1, matched to a bill by the Pricing API', asOf: '2026' },
  s3Read: { usd: 0.0004 / 1_000, unit: 'GET or HEAD', source: 'S3 price list, tier 2, matched to a bill by the Pricing API', asOf: '2026' },
  s3GbMonth: { usd: 0.023, unit: 'GB-month, S3 Standard', source: 'S3 price list, first 50 TB', asOf: '2026' },
  regionGb: { usd: 0.02, unit: 'GB to another region', source: 'factualminds.com, AWS data transfer', asOf: '2026-06' },
  kmsKeyMonth: { usd: 1, unit: 'key and month', source: 'five secondary sources that agree; the page of AWS was not seen', asOf: '2026' },
  secretMonth: { usd: 0.4, unit: 'secret and month', source: PRICE_LIST, asOf: '2026-10' },
  logGb: { usd: 0.5, unit: 'GB of logs', source: 'CloudWatch Logs price list, first tier', asOf: '2025-11' },
  rdsSnapshotGbMonth: {
    usd: 0.095,
    unit: 'GB-month of RDS snapshots beyond the size of the databases',
    source: 'secondary source citing the page of AWS of 2026-02-23',
    asOf: '2026-02',
  },
} as const satisfies Record<string, Price>;

export type PriceName = keyof typeof PRICES;
