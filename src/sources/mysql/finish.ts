import { restoreInput } from '../../backup/restore-input.ts';
import { LifeboatError } from '../../errors.ts';
import type { Part, Services, Stage } from '../contract.ts';
import type { MysqlAddress } from './address.ts';
import { withConnection } from './connect.ts';
import { loadItem } from './load.ts';
import { doneItems, dropMarker, readMarker, requireMarker } from './marker.ts';
import { replay } from './replay.ts';
import { segmentsOf } from './restore-input.ts';
import { readStatements } from './script.ts';

/** Routines, views, triggers, events, once all rows are there. Each is dropped before it is made, so a repeated run does the same. */
export const objectsStage = (address: MysqlAddress, services: Services): Stage => ({
  name: 'finish-objects',
  mode: 'independent',
  async *plan() {
    yield { task: {} };
  },
  async run(_task, context): Promise<Part> {
    const { restore, manifest, scratch } = restoreInput(context);
    let definers = 0;
    await withConnection(
      address,
      services,
      async (connection) => {
        await requireMarker(connection, restore);
        for (const segment of segmentsOf(manifest, 'objects'))
          for await (const sql of readStatements(context.read.read(segment))) if (await replay(connection, sql, { scratch })) definers += 1;
      },
      { target: true, signal: context.budget.signal },
    );
    return { segments: [], digests: [], facts: { definersLeftOut: definers } };
  },
});

/** Drops the marker: from here on the database is complete. Done when it is gone. */
export const markerStage = (address: MysqlAddress, services: Services): Stage => ({
  name: 'finish-marker',
  mode: 'independent',
  async *plan() {
    yield { task: {} };
  },
  async run(_task, context): Promise<Part> {
    const { restore, manifest } = restoreInput(context);
    await withConnection(
      address,
      services,
      async (connection) => {
        if ((await readMarker(connection)) === undefined) return;
        await requireMarker(connection, restore);
        const loaded = await doneItems(connection, loadItem(''));
        const missing = segmentsOf(manifest, 'rows').find((segment) => !loaded.has(segment.ordinal));
        if (missing !== undefined) throw new LifeboatError('RestoreFailed', `segment ${missing.ordinal} was not loaded`);
        await dropMarker(connection);
      },
      { target: true, signal: context.budget.signal },
    );
    return { segments: [], digests: [] };
  },
});
