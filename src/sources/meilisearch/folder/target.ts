import { restoreInput } from '../../../backup/restore-input.ts';
import { LifeboatError } from '../../../errors.ts';
import type { Budget, Services, Stage, Tampering, Target, TargetFacts } from '../../contract.ts';
import { type FolderAddress, placeOf } from '../address.ts';
import { tamperInstance } from '../tamper.ts';
import { auditFolderStage } from './audit.ts';
import { importStage } from './import.ts';
import { handBackInFolder, loadIntoFolder } from './load.ts';
import { occupants, placeAt, readMarker, removeBeside, removePlace } from './place.ts';
import { findProgram } from './program.ts';
import { newMasterKey, stopServer, withServer } from './server.ts';

/** The folder of a database, which `meilisearch --import-dump` makes; it is at rest before and after. */
export const folderTarget = (address: FolderAddress, services: Services): Target => ({
  inspect: () => inspectFolder(address),
  stages: [importStage(address), finishStage(address, services)],
  loadArtifact: (artifact, options) => loadIntoFolder(address, services, artifact, options),
  audit: auditFolderStage(address, services),
  tamper: (_manifest, seed, budget) => tamperFolder(address, services, seed, budget),
  discard: discardStage(address),
});

const inspectFolder = async (address: FolderAddress): Promise<TargetFacts> => {
  const place = placeAt(address.folder);
  const program = await findProgram(address).catch((error: unknown) => {
    if (error instanceof LifeboatError) return error;
    throw error;
  });
  const marker = await readMarker(place);
  const missing = program instanceof LifeboatError;
  return {
    product: 'Meilisearch',
    version: missing ? 'unknown' : program.version,
    place: placeOf(address),
    content: 'folder',
    bytes: 0,
    problems: missing ? [{ code: 'ProgramMissing', message: program.message, hint: program.hint }] : [],
    empty: marker === undefined && (await occupants(place)).length === 0,
    ...(marker === undefined ? {} : { unfinished: marker.restore }),
  };
};

/** Removes the marker, and the database that was replaced; a scratch database keeps its marker until it is discarded. */
const finishStage = (address: FolderAddress, services: Services): Stage => ({
  name: 'finish',
  mode: 'independent',
  async *plan(context) {
    if (!restoreInput(context).scratch) yield { task: {} };
  },
  async run(_task, context) {
    await handBackInFolder(address, services, context.budget);
    await removeBeside(placeAt(address.folder));
    return { segments: [], digests: [] };
  },
});

const tamperFolder = async (address: FolderAddress, services: Services, seed: number, budget: Budget): Promise<Tampering> => {
  const place = placeAt(address.folder);
  const marker = await readMarker(place);
  if (address.scratchName === undefined || marker?.scratch !== address.scratchName)
    throw new LifeboatError('TargetUnusable', `${place.database} is not the scratch database ${address.scratchName ?? 'of a drill'}`, {
      hint: 'A drill touches only what it made itself.',
    });
  return withServer({ place, program: await findProgram(address), masterKey: newMasterKey() }, services, budget, (client) =>
    tamperInstance(client, seed, budget),
  );
};

/** Stops what may still run on it, and removes it; does nothing to a folder that is not ours. */
const discardStage = (address: FolderAddress): Stage => ({
  name: 'discard',
  mode: 'independent',
  async *plan() {
    yield { task: {} };
  },
  async run() {
    const place = placeAt(address.folder);
    const marker = await readMarker(place);
    if (marker !== undefined && address.scratchName !== undefined && marker.scratch === address.scratchName) {
      if (marker.server !== null) await stopServer(place, marker.server);
      await removePlace(place);
    }
    return { segments: [], digests: [] };
  },
});
