import { Metrics } from '@aws-lambda-powertools/metrics';
import { z } from 'zod';
import { type CatalogEntry, listBackups } from '../backup/catalog.ts';
import { leaseKey } from '../backup/layout.ts';
import { readJson } from '../backup/objects.ts';
import type { Runtime } from '../backup/runtime.ts';
import { shrinkageOf } from '../backup/shrink.ts';
import { abandonedScratch } from './scratch.ts';

/** What an hourly look at the catalogue finds of one source. What is not known is absent, and a missing metric alarms. */
export interface Observations {
  readonly source: string;
  /** Since the newest backup that can be read was started. */
  readonly backupAgeSeconds?: number;
  /** Since the newest backup whose drill passed was started: a proof is as old as what it proves. */
  readonly provenAgeSeconds?: number;
  /** 0 when nobody has it. */
  readonly leaseAgeSeconds: number;
  /** Scratch targets that no running execution owns. */
  readonly orphans: number;
  /** Multipart uploads that were never ended and that no rule removed. */
  readonly uploads?: number;
  /** How much less the newest backup has than the one before, in percent; 0 when it grew. */
  readonly rowsDroppedPercent?: number;
  readonly bytesDroppedPercent?: number;
}

type Sound = Extract<CatalogEntry, { readonly state: 'sound' }>;

export const observe = async (runtime: Runtime, source: string, uploads?: number): Promise<Observations> => {
  let newest: Sound | undefined;
  let before: Sound | undefined;
  let proven: CatalogEntry | undefined;
  for await (const entry of listBackups(runtime.store, source)) {
    // A drill that measured nothing takes no proof away; one that failed does.
    if (entry.proof.passedAt !== undefined && entry.proof.state !== 'FAILED') proven = entry;
    if (entry.state !== 'sound') continue;
    before = newest;
    newest = entry;
  }
  const now = runtime.now().getTime();
  const age = (entry: CatalogEntry): number => Math.max(0, Math.round((now - Date.parse(entry.recordedAt)) / 1000));
  return {
    source,
    ...(newest === undefined ? {} : { backupAgeSeconds: age(newest) }),
    ...(proven === undefined ? {} : { provenAgeSeconds: age(proven) }),
    leaseAgeSeconds: await leaseAge(runtime, source, now),
    orphans: (await abandonedScratch(runtime, source)).length,
    ...(uploads === undefined ? {} : { uploads }),
    ...(newest === undefined || before === undefined ? {} : shrinkageOf(before, newest)),
  };
};

const LeaseSchema = z.object({ state: z.string() });

/** A lease is written when it is taken and when it is given back. */
const leaseAge = async ({ control }: Runtime, source: string, now: number): Promise<number> => {
  const key = leaseKey(source);
  const info = await control.head(key);
  if (info === undefined) return 0;
  const record = LeaseSchema.safeParse(await readJson(control, key));
  return record.success && record.data.state === 'free' ? 0 : Math.max(0, Math.round((now - info.modified.getTime()) / 1000));
};

/** Names as CloudWatch shows them, and their units. */
const METRICS = {
  backupAgeSeconds: { name: 'BackupAge', unit: 'Seconds' },
  provenAgeSeconds: { name: 'ProvenAge', unit: 'Seconds' },
  leaseAgeSeconds: { name: 'LeaseAge', unit: 'Seconds' },
  orphans: { name: 'Orphans', unit: 'Count' },
  uploads: { name: 'UploadsLeft', unit: 'Count' },
  rowsDroppedPercent: { name: 'RowsDropped', unit: 'Percent' },
  bytesDroppedPercent: { name: 'BytesDropped', unit: 'Percent' },
} as const;

const FIELDS = [
  'backupAgeSeconds',
  'provenAgeSeconds',
  'leaseAgeSeconds',
  'orphans',
  'uploads',
  'rowsDroppedPercent',
  'bytesDroppedPercent',
] as const;

/** One line of CloudWatch's embedded metric format; metrics that are not known are not in it. */
export const metricsLine = (
  observed: Observations,
  place: { readonly environment: string; readonly namespace: string },
  at: Date,
): string => {
  const metrics = new Metrics({ namespace: place.namespace });
  // Powertools' own dimension would be part of each metric's name.
  metrics.clearDefaultDimensions();
  metrics.addDimensions({ Environment: place.environment, Source: observed.source });
  metrics.setTimestamp(at);
  for (const field of FIELDS) {
    const value = observed[field];
    if (value !== undefined) metrics.addMetric(METRICS[field].name, METRICS[field].unit, value);
  }
  return JSON.stringify(metrics.serializeMetrics());
};
