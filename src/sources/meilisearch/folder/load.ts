import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { LifeboatError } from '../../../errors.ts';
import type { Budget, Loaded, LoadOptions, Services } from '../../contract.ts';
import type { FolderAddress } from '../address.ts';
import { checkDump } from '../dump/check.ts';
import { handBack } from '../hand-back.ts';
import { refuseOlder } from '../prepare.ts';
import { makeRoom, refuseOccupied, run, writeDump } from './import.ts';
import { giveUp, type Marker, placeAt, readMarker, removeBeside } from './place.ts';
import { findProgram } from './program.ts';
import { newMasterKey, stopServer, untilReady, withServer } from './server.ts';

/** Imports one dump (decoded) by Meilisearch itself. It is written down and checked from end to end first. */
export const loadIntoFolder = async (
  address: FolderAddress,
  services: Services,
  artifact: AsyncIterable<Uint8Array>,
  { overwrite, signal, progress }: LoadOptions,
): Promise<Loaded> => {
  const place = placeAt(address.folder);
  const program = await findProgram(address);
  const before = await readMarker(place);
  await refuseOccupied(place, before, overwrite);
  const budget: Budget = { remaining: () => Number.POSITIVE_INFINITY, signal };
  const marker: Marker = { restore: `load-${randomUUID()}`, scratch: null, server: null, imported: false };
  let running: Marker | undefined;
  try {
    if (before?.server != null) await stopServer(place, before.server);
    await writeDump(place, budget, artifact);
    const { contents, documents } = await checkDump(() => createReadStream(place.dump));
    refuseOlder(program.version, contents.dbVersion);
    await makeRoom(place, marker, before !== undefined);
    running = await run(place, marker, program);
    progress({ rows: 0, bytes: 0, what: `meilisearch imports into ${place.database}` });
    if (running.server === null || !(await untilReady(place, running.server, [], budget)))
      throw new LifeboatError('RestoreFailed', 'the import has no server');
    await stopServer(place, running.server);
    await handBackInFolder(address, services, budget);
    await removeBeside(place);
    return { rows: String([...documents.values()].reduce((sum, many) => sum + many, 0)), checks: [] };
  } catch (error) {
    if (running?.server != null) await stopServer(place, running.server);
    if ((await readMarker(place))?.restore === marker.restore) await giveUp(place);
    else if (before === undefined) await removeBeside(place);
    throw error;
  }
};

/** Starts Meilisearch once more where there are secrets to be given to it. */
export const handBackInFolder = async (address: FolderAddress, services: Services, budget: Budget): Promise<void> => {
  if (Object.keys(address.secrets ?? {}).length === 0) return;
  const start = { place: placeAt(address.folder), program: await findProgram(address), masterKey: newMasterKey() };
  await withServer(start, services, budget, (client) => handBack(client, address, services, budget));
};
