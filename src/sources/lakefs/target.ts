import type { Services, Target, TargetFacts } from '../contract.ts';
import type { LakefsAddress } from './address.ts';
import { auditStage } from './audit.ts';
import { loadStage } from './load.ts';
import { loadManifest } from './load-manifest.ts';
import { openNamespace } from './namespace.ts';
import { isBare, prepareStage } from './prepare.ts';
import { findRepository, version } from './rest/api.ts';
import { readMarker } from './restore-input.ts';
import { refsStage } from './restore-refs.ts';
import { finishStage, settingsStage } from './restore-settings.ts';
import { discardStage, tamperWith } from './scratch.ts';
import { connect, placeOf } from './session.ts';

/** A repository that is made by the restore, in a namespace that the pool is copied into. */
export const lakefsTarget = (address: LakefsAddress, services: Services): Target => ({
  inspect: () => inspectTarget(address, services),
  stages: [
    prepareStage(address, services),
    loadStage(address, services),
    refsStage(address, services),
    settingsStage(address, services),
    finishStage(address, services),
  ],
  loadArtifact: (artifact, options) => loadManifest(address, services, artifact, options),
  audit: auditStage(address, services),
  tamper: (manifest, seed, budget) => tamperWith(address, services, manifest, seed, budget),
  discard: discardStage(address, services),
});

const inspectTarget = async (address: LakefsAddress, services: Services): Promise<TargetFacts> => {
  const client = await connect(address, services);
  const found = await findRepository(client, address.repository);
  const marker = address.namespace === undefined ? undefined : await readMarker(await openNamespace(address, services, address.namespace));
  return {
    product: 'lakeFS',
    version: await version(client),
    place: placeOf(client, address.repository),
    content: address.repository,
    bytes: 0,
    problems: [],
    empty: found === undefined || (await isBare(client, address.repository)),
    ...(marker === undefined ? {} : { unfinished: marker.restore }),
  };
};
