import type { Services, Stage } from '../contract.ts';
import type { InstanceAddress } from './address.ts';
import { withClient } from './client.ts';
import { dumpDocuments } from './documents.ts';
import { dumpFile } from './file-task.ts';
import { dumpInstance, dumpSettings } from './instance-task.ts';
import { tokenOf } from './instant.ts';
import { planDump, RANGE_BYTES } from './plan.ts';
import { SEGMENT_RAW_BYTES } from './segment-writer.ts';
import { DumpTaskSchema } from './tasks.ts';

export interface DumpSizes {
  readonly rangeBytes: number;
  readonly segmentRawBytes: number;
}

const SIZES: DumpSizes = { rangeBytes: RANGE_BYTES, segmentRawBytes: SEGMENT_RAW_BYTES };

export const dumpStage = (address: InstanceAddress, services: Services, sizes: DumpSizes = SIZES): Stage => ({
  name: 'dump',
  mode: 'independent',
  async *plan(context) {
    const token = tokenOf(await context.instants());
    if (token.mode === 'server') {
      yield { task: { kind: 'file' } };
      return;
    }
    const tasks = await withClient(address, services, context.budget.signal, (client) =>
      Array.fromAsync(planDump(client, address.wholeIndexes, sizes.rangeBytes)),
    );
    for (const task of tasks) yield { task };
  },
  async run(json, context, resume) {
    const task = DumpTaskSchema.parse(json);
    const token = tokenOf(await context.instants());
    return withClient(address, services, context.budget.signal, (client) => {
      switch (task.kind) {
        case 'instance':
          return dumpInstance(client, token, context);
        case 'settings':
          return dumpSettings(client, token, task.indexes, context, resume);
        case 'documents':
          return dumpDocuments(client, task, context, resume, sizes.segmentRawBytes);
        case 'file':
          return dumpFile(client, token, context, resume);
      }
    });
  },
});
