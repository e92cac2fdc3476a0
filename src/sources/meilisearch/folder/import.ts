import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { z } from 'zod';
import { restoreInput } from '../../../backup/restore-input.ts';
import type { Manifest } from '../../../backup/types.ts';
import { LifeboatError } from '../../../errors.ts';
import { parseJson } from '../../../json.ts';
import type { Budget, Cursor, Part, Stage, TaskContext } from '../../contract.ts';
import type { FolderAddress } from '../address.ts';
import { archiveOf, detailsOf } from '../artifact.ts';
import { refuseOlder } from '../prepare.ts';
import { giveUp, isDatabase, type Marker, makeBeside, occupants, type Place, placeAt, readMarker, setAside, writeMarker } from './place.ts';
import { findProgram } from './program.ts';
import { quietArchive } from './quiet.ts';
import { newMasterKey, startServer, stopServer, untilReady } from './server.ts';

/** Looks at an import that outlives its function. */
const CursorSchema = z.strictObject({ looks: z.int().positive() });

/** A dump that is read again by this machine alone, and then removed: little time for it. */
const GZIP_LEVEL = 1;

const DONE: Part = { segments: [], digests: [] };

/** Lets Meilisearch itself import the dump into an empty folder: its port is closed until that has ended. */
export const importStage = (address: FolderAddress): Stage => ({
  name: 'import',
  mode: 'independent',
  async *plan() {
    yield { task: {} };
  },
  async run(_task, context, resume) {
    const { restore, scratch } = restoreInput(context);
    const place = placeAt(address.folder);
    try {
      const marker = await readMarker(place);
      const ours = marker?.restore === restore ? marker : undefined;
      if (ours?.imported === true) return DONE;
      const looks = resume === undefined ? 0 : CursorSchema.parse(parseJson(resume)).looks;
      return await untilImported(
        place,
        ours?.server != null && looks > 0 ? ours : await begin(address, place, context, marker),
        looks,
        context,
      );
    } catch (error) {
      await abandon(place, restore, scratch);
      throw error;
    }
  },
});

/** Undoes what this restore did, and nothing of another one. A drill discards its place itself, by the marker. */
const abandon = async (place: Place, restore: string, scratch: boolean): Promise<void> => {
  const marker = await readMarker(place);
  if (marker?.restore !== restore || marker.imported) return;
  if (marker.server !== null) await stopServer(place, marker.server);
  if (!scratch) await giveUp(place);
};

const begin = async (address: FolderAddress, place: Place, context: TaskContext, before: Marker | undefined): Promise<Marker> => {
  const { restore, manifest, scratch, overwrite } = restoreInput(context);
  const program = await findProgram(address);
  refuseOlder(program.version, detailsOf(manifest).version);
  const ours = before?.restore === restore;
  if (!ours) await refuseOccupied(place, before, overwrite);
  if (before?.server != null) await stopServer(place, before.server);
  const marker: Marker = { restore, scratch: scratch ? (address.scratchName ?? restore) : null, server: null, imported: false };
  await makeRoom(place, marker, ours || before !== undefined);
  await writeDump(place, context.budget, archiveToImport(context, manifest, scratch));
  return run(place, marker, program);
};

/** An attempt that was killed left a part of a database: it is removed. What was there before it is set aside. */
export const makeRoom = async (place: Place, marker: Marker, leftOver: boolean): Promise<void> => {
  if (leftOver) await rm(place.database, { recursive: true, force: true });
  else if ((await occupants(place)).length > 0) await setAside(place);
  await writeMarker(place, marker);
};

export const run = async (place: Place, marker: Marker, program: Parameters<typeof startServer>[0]['program']): Promise<Marker> => {
  const running = { ...marker, server: await startServer({ place, program, masterKey: newMasterKey(), importDump: place.dump }) };
  await writeMarker(place, running);
  return running;
};

const untilImported = async (place: Place, marker: Marker, looks: number, { budget, progress }: TaskContext): Promise<Part> => {
  if (marker.server === null) throw new LifeboatError('RestoreFailed', 'the import has no server');
  progress({ rows: 0, bytes: 0, what: `meilisearch imports into ${place.database}` });
  if (!(await untilReady(place, marker.server, [], budget)))
    return { ...DONE, next: { cursor: JSON.stringify({ looks: looks + 1 }) as Cursor } };
  await stopServer(place, marker.server);
  await writeMarker(place, { ...marker, server: null, imported: true });
  await rm(place.dump, { force: true });
  return DONE;
};

/** Says the same as Meilisearch does, and names the path. Replaces nothing that is no database. */
export const refuseOccupied = async (place: Place, marker: Marker | undefined, overwrite: boolean): Promise<void> => {
  if (marker !== undefined && !overwrite)
    throw new LifeboatError('TargetUnusable', `restore ${marker.restore} into ${place.database} began and did not end`, {
      hint: `Restore with --overwrite, or remove ${place.database} and ${place.beside}.`,
    });
  if (marker !== undefined || (await occupants(place)).length === 0) return;
  if (!overwrite)
    throw new LifeboatError('TargetNotEmpty', `a database already exists at ${place.database}`, {
      hint: 'Restore into a folder that is absent or empty, or add --overwrite to replace it once its server is stopped.',
    });
  if (!(await isDatabase(place)))
    throw new LifeboatError('TargetNotEmpty', `${place.database} holds something, but no Meilisearch database`, {
      hint: 'Only a database is ever replaced. Name another folder.',
    });
};

const archiveToImport = (context: TaskContext, manifest: Manifest, scratch: boolean): AsyncIterable<Uint8Array> => {
  const archive = archiveOf(context.read, manifest);
  return scratch ? quietArchive(archive) : archive;
};

/** Meilisearch reads a file alone. */
export const writeDump = async (place: Place, { signal }: Pick<Budget, 'signal'>, archive: AsyncIterable<Uint8Array>): Promise<void> => {
  await makeBeside(place);
  await pipeline(
    Readable.from(archive, { objectMode: false }),
    createGzip({ level: GZIP_LEVEL }),
    createWriteStream(place.dump, { flags: 'w', mode: 0o600 }),
    { signal },
  );
};
