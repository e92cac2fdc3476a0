import type { Services, Target, TargetFacts } from '../contract.ts';
import { type InstanceAddress, instanceAt, isFolder, type MeilisearchAddress } from './address.ts';
import { indexesOf } from './api.ts';
import { auditStage } from './audit.ts';
import { withClient } from './client.ts';
import { directLoad } from './direct-load.ts';
import { instanceStage, markerStage } from './finish.ts';
import { folderTarget } from './folder/target.ts';
import { inspectInstance } from './inspect.ts';
import { loadStage } from './load.ts';
import { MARKER_INDEX, readMarker } from './marker.ts';
import { prepareStage } from './prepare.ts';
import { settingsStage } from './restore-settings.ts';
import { discardStage } from './scratch.ts';
import { tamperWith } from './tamper.ts';

/** Stands in the way of a backup alone. */
const OF_BACKUPS = new Set(['UnfinishedRestore', 'DumpDirectoryMissing', 'VersionUnsupported']);

export const meilisearchTarget = (address: MeilisearchAddress, services: Services): Target =>
  isFolder(address) ? folderTarget(address, services) : instanceTarget(instanceAt(address), services);

/** A running instance that a backup is restored into over HTTP. */
const instanceTarget = (address: InstanceAddress, services: Services): Target => ({
  inspect: () => inspectTarget(address, services),
  stages: [
    prepareStage(address, services),
    settingsStage(address, services),
    loadStage(address, services),
    instanceStage(address, services),
    markerStage(address, services),
  ],
  loadArtifact: (artifact, options) => directLoad(address, services, artifact, options),
  audit: auditStage(address, services),
  tamper: (manifest, seed, budget) => tamperWith(address, services, manifest, seed, budget),
  discard: discardStage(address, services),
});

const inspectTarget = (address: InstanceAddress, services: Services): Promise<TargetFacts> =>
  withClient(address, services, undefined, async (client) => {
    const facts = await inspectInstance(client);
    const marker = await readMarker(client);
    const empty = (await indexesOf(client)).every(({ uid }) => uid === MARKER_INDEX);
    const problems = facts.problems.filter(({ code }) => !OF_BACKUPS.has(code));
    return { ...facts, problems, empty: empty && marker === undefined, ...(marker === undefined ? {} : { unfinished: marker.restore }) };
  });
