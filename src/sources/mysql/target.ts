import { LifeboatError } from '../../errors.ts';
import type { Services, Target, TargetFacts } from '../contract.ts';
import type { MysqlAddress } from './address.ts';
import { auditStage } from './audit.ts';
import { withConnection } from './connect.ts';
import { directLoad } from './direct-load.ts';
import { markerStage, objectsStage } from './finish.ts';
import { inspectDatabase, placeOf } from './inspect.ts';
import { loadStage } from './load.ts';
import { readMarker } from './marker.ts';
import { occupants } from './occupants.ts';
import { prepareStage } from './prepare.ts';
import { discardStage, isScratchName } from './scratch.ts';
import { tamperWith } from './tamper.ts';

/** A database that a backup is restored into: an empty one, or a scratch database that `prepare` makes. */
export const mysqlTarget = (address: MysqlAddress, services: Services): Target => ({
  inspect: () => inspectTarget(address, services),
  stages: [prepareStage(address, services), loadStage(address, services), objectsStage(address, services), markerStage(address, services)],
  loadArtifact: (artifact, options) => directLoad(address, services, artifact, options),
  audit: auditStage(address, services),
  tamper: (manifest, seed, budget) => tamperWith(address, services, manifest, seed, budget),
  discard: discardStage(address, services),
});

const inspectTarget = async (address: MysqlAddress, services: Services): Promise<TargetFacts> => {
  try {
    return await withConnection(
      address,
      services,
      async (connection) => {
        const marker = await readMarker(connection);
        const empty = (await occupants(connection)) === '';
        // What stands in the way of a backup does not stand in the way of a restore.
        const facts = { ...(await inspectDatabase(connection)), problems: [], empty };
        return marker === undefined ? facts : { ...facts, unfinished: marker.restore };
      },
      { target: true },
    );
  } catch (error) {
    if (!(error instanceof LifeboatError && error.code === 'NoSuchDatabase' && isScratchName(address.database))) throw error;
    // It will be made; its server is what can be looked at.
    return withConnection(
      address,
      services,
      async (connection) => ({
        product: connection.product,
        version: connection.versionText,
        place: await placeOf(connection),
        content: address.database,
        bytes: 0,
        problems: [],
        empty: true,
      }),
      { target: true, database: null },
    );
  }
};
