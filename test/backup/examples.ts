import { backupId } from '../../src/backup/id.ts';
import { segmentKey } from '../../src/backup/layout.ts';
import { ordinal } from '../../src/backup/ordinal.ts';
import type { BackupId, Manifest, Proof, Segment, Verdict } from '../../src/backup/types.ts';

export const idAt = (iso: string): BackupId => backupId(new Date(iso), 'arn');

export const exampleSegment = (task: number, sha256 = 'ab'.repeat(32)): Segment => ({
  key: segmentKey(ordinal(task, 0), sha256, 'sql.zst'),
  ordinal: ordinal(task, 0),
  role: 'artifact',
  encoding: 'zstd',
  bytes: 100,
  rawBytes: 1000,
  sha256,
});

/** One row of zeroes in bucket 1. */
export const exampleManifest = (source: string, backup: BackupId, startedAt: string): Manifest => ({
  formatVersion: 1,
  tool: 'lifeboat 0.1.0',
  backup,
  execution: 'arn:aws:states:eu-central-1:123456789012:execution:backup:1',
  source: { name: source, kind: 'postgres', product: 'PostgreSQL', version: '18.4', place: 'db:5432/om', content: 'om' },
  pointInTime: { consistency: 'snapshot', at: startedAt, token: { snapshot: '00000003-0000001B-1' } },
  startedAt,
  sealedAt: startedAt,
  artifact: { format: 'sql', restoreWith: 'psql' },
  segments: [exampleSegment(0), exampleSegment(1, 'cd'.repeat(32))],
  digests: [
    {
      name: 'public.t',
      rows: '3',
      digest: `${'0'.repeat(31)}5`,
      shape: '0'.repeat(32),
      buckets: Buffer.from([1, ...Array.from({ length: 15 }, () => 0), 5]).toString('base64'),
    },
  ],
  assertions: [],
  details: {},
  notIncluded: {},
  timings: { total: 1 },
  previous: null,
});

export const exampleProof = (source: string, backup: BackupId, drill: BackupId, verdict: Verdict, endedAt: string): Proof => ({
  formatVersion: 1,
  drill,
  source,
  kind: 'postgres',
  backup,
  execution: 'arn',
  verdict,
  startedAt: endedAt,
  endedAt,
  scratch: 'postgres://scratch/db',
  rtoSeconds: 3,
  rpoSeconds: 60,
  goals: {},
  phases: [],
  checks: [],
  control: null,
  notMeasured: [],
  failure: null,
  seed: 1,
});
