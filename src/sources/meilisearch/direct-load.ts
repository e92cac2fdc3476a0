import { randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Budget, Loaded, LoadOptions, Services } from '../contract.ts';
import type { InstanceAddress } from './address.ts';
import { withClient } from './client.ts';
import { checkArchive } from './dump/check.ts';
import { DOCUMENTS } from './dump/contents.ts';
import { fileBatches } from './file-batches.ts';
import { finishInstance } from './finish.ts';
import { handBack } from './hand-back.ts';
import { removeMarker } from './marker.ts';
import { postBatch, throttle } from './post-documents.ts';
import { prepare } from './prepare.ts';
import { restoreIndex } from './restore-settings.ts';
import { waitTasks } from './wait-tasks.ts';

/**
 * Loads one dump (decoded) over HTTP. It is written to disk and checked from end to end before anything is sent: a dump has no order,
 * and an instance has no transactions.
 */
export const directLoad = async (
  address: InstanceAddress,
  services: Services,
  artifact: AsyncIterable<Uint8Array>,
  options: LoadOptions,
): Promise<Loaded> => {
  await mkdir(services.temporary, { recursive: true });
  const path = join(services.temporary, `dump-${randomUUID()}.tar`);
  const open = () => createReadStream(path) as AsyncIterable<Buffer>;
  try {
    await pipeline(Readable.from(artifact, { objectMode: false }), createWriteStream(path, { flags: 'wx' }), { signal: options.signal });
    const { contents, documents } = await checkArchive(open);
    const budget: Budget = { remaining: () => Number.POSITIVE_INFINITY, signal: options.signal };
    const how = { restore: `load-${randomUUID()}`, scratch: null, overwrite: options.overwrite };
    await withClient(address, services, options.signal, async (client) => {
      await prepare(client, contents, how, budget);
      for (const index of contents.indexes) await restoreIndex(client, index, contents.features, budget);
      const uids = new Map(contents.indexes.map(({ folder, uid }) => [folder, uid]));
      const uidOf = (file: string): string | undefined => uids.get(DOCUMENTS.exec(file)?.[1] ?? '');
      let tasks: readonly number[] = [];
      for await (const batch of fileBatches(open(), (file) => uidOf(file) !== undefined)) {
        const uid = uidOf(batch.path) ?? '';
        tasks = await throttle(client, [...tasks, await postBatch(client, uid, batch.lines)], budget);
        options.progress({ rows: 0, bytes: batch.lines.length, what: uid });
      }
      await waitTasks(client, tasks, budget);
      await finishInstance(client, contents, { scratch: false, alone: !options.overwrite }, services.now(), budget);
      await handBack(client, address, services, budget);
      await removeMarker(client, budget);
    });
    return { rows: String([...documents.values()].reduce((sum, many) => sum + many, 0)), checks: [] };
  } finally {
    await rm(path, { force: true });
  }
};
