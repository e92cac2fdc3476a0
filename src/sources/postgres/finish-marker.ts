import { restoreInput } from '../../backup/restore-input.ts';
import { LifeboatError } from '../../errors.ts';
import type { Part, Services, Stage } from '../contract.ts';
import type { PostgresAddress } from './address.ts';
import { loadItem } from './load.ts';
import { DROP_MARKER_SQL, doneItems, readMarker, requireMarker } from './marker.ts';
import { segmentsOf } from './restore-input.ts';
import { withTarget } from './target-session.ts';

/** Drops the marker: from here on the database is complete. Done when it is gone. */
export const markerStage = (address: PostgresAddress, services: Services): Stage => ({
  name: 'finish-marker',
  mode: 'independent',
  async *plan() {
    yield { task: {} };
  },
  async run(_task, context): Promise<Part> {
    const { restore, manifest } = restoreInput(context);
    await withTarget(address, services, context.budget, async (session) => {
      if ((await readMarker(session)) === undefined) return;
      await requireMarker(session, restore);
      const loaded = await doneItems(session, loadItem(''));
      const missing = segmentsOf(manifest, 'data').find((segment) => !loaded.has(segment.ordinal));
      if (missing !== undefined) throw new LifeboatError('RestoreFailed', `segment ${missing.ordinal} was not loaded`);
      // All that was committed before comes to the disk with this.
      await session.write(`SET synchronous_commit = on; ${DROP_MARKER_SQL}`, 'dropping the marker');
    });
    return { segments: [], digests: [] };
  },
});
