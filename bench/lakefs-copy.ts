/** Lifeboat's part of the comparison: plan and dump of a namespace on the S3 server of BENCH_S3, into its bucket `lifeboat`. */
import { objectsBelow } from '../src/backup/pool.ts';
import { segmentSink, segmentSource } from '../src/backup/segments.ts';
import type { Cursor, StageContext } from '../src/sources/contract.ts';
import { dumpFiles } from '../src/sources/lakefs/dump-objects.ts';
import { openMetadata } from '../src/sources/lakefs/namespace.ts';
import { planDump } from '../src/sources/lakefs/plan.ts';
import { IdsSchema } from '../src/sources/lakefs/rest/api.ts';
import { openClient } from '../src/sources/lakefs/rest/client.ts';
import { openStore } from '../src/stores/open.ts';
import { temporarySpool } from '../src/stores/spool.ts';

/** Tasks at the same time in this process; a function has one. */
const LANES = Number(process.env['BENCH_LANES'] ?? 1);

const options = { endpoint: process.env['BENCH_S3'] ?? '', region: 'us-east-1' };
const ids = IdsSchema.parse(JSON.parse(process.env['BENCH_IDS'] ?? ''));
const round = process.env['BENCH_ROUND'] ?? '1';
const objects = objectsBelow(await openStore('s3://namespace/ns', options), '');
const store = await openStore('s3://lifeboat', options);
const pool = objectsBelow(store, 'lake/objects/');
const metadata = openMetadata(objects, '_lakefs');
const repository = { id: 'bench', storage_namespace: 's3://namespace/ns', default_branch: 'main' };
const session = {
  client: openClient({ api: 'http://127.0.0.1:1/api/v1', accessKeyId: '', secretAccessKey: '' }),
  repository,
  objects,
  metadata,
};
const budget = { remaining: () => 600_000, signal: new AbortController().signal };
const prefix = `lake/backups/${round}/`;
const context: StageContext = {
  input: { kind: 'restore', restore: '', manifest: JSON.parse('null'), scratch: false, overwrite: false },
  budget,
  read: segmentSource(store, prefix),
  async *receipts() {},
  instants: async () => [],
};
const write = segmentSink(store, prefix, () => temporarySpool('/tmp/lifeboat-bench'), budget.signal);
const tasks = planDump(metadata, ids, 'main', false);
let planned = 0;
const lane = async (): Promise<void> => {
  for (let next = await tasks.next(); next.done !== true; next = await tasks.next()) {
    const task = next.value;
    const about = { ...context, task: planned++, write, pool, progress: () => {} };
    const files =
      task.kind === 'objects'
        ? task.ranges.map(([id]) => ({ id, kind: 'range' as const }))
        : task.kind === 'metadata'
          ? task.files.map((id) => ({ id, kind: 'metaRange' as const }))
          : [];
    let resume: Cursor | undefined;
    do resume = (await dumpFiles(session, files, about, resume)).next?.cursor;
    while (resume !== undefined);
  }
};
await Promise.all(Array.from({ length: LANES }, lane));
console.error(`${Math.round(process.resourceUsage().maxRSS / 1024)} MiB at most`);
