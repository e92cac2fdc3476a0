import { LifeboatError } from '../../errors.ts';
import type { Loaded, LoadOptions, Services } from '../contract.ts';
import type { MysqlAddress } from './address.ts';
import { type Connection, withConnection } from './connect.ts';
import { createMarker, dropMarker, readMarker } from './marker.ts';
import { cleanDatabase, occupants } from './occupants.ts';
import { replay } from './replay.ts';
import { readStatements } from './script.ts';
import { isOfMarker, kindOf } from './statement.ts';

const RESTORE = 'a load from a file';

/**
 * Loads a script (a backup's artifact, or mysqldump's) into an empty database over one connection. MySQL's definitions know no
 * transactions: a script that is cut anywhere fails with ArtifactInvalid, and what it made is dropped again.
 */
export const directLoad = (
  address: MysqlAddress,
  services: Services,
  bytes: AsyncIterable<Uint8Array>,
  options: LoadOptions,
): Promise<Loaded> =>
  withConnection(
    address,
    services,
    async (connection) => {
      await takeEmpty(connection, options.overwrite);
      let rows: number;
      try {
        rows = await loadScript(connection, bytes, options);
      } catch (error) {
        // With the connection its open transaction ends, whose locks would be in the way.
        connection.destroy();
        await cleanUp(address, services);
        throw error;
      }
      await dropMarker(connection);
      return { rows: String(rows), checks: [] };
    },
    { target: true, signal: options.signal },
  );

const takeEmpty = async (connection: Connection, overwrite: boolean): Promise<void> => {
  const database = `database "${connection.address.database}"`;
  const marker = await readMarker(connection);
  if (overwrite) {
    await cleanDatabase(connection);
    await dropMarker(connection);
  } else if (marker !== undefined) {
    throw new LifeboatError('TargetUnusable', `${database} holds a restore that did not end: ${marker.restore}`, {
      hint: 'Run that restore again to go on with it, load with --overwrite, or drop the database.',
    });
  } else {
    const found = await occupants(connection);
    if (found !== '')
      throw new LifeboatError('TargetNotEmpty', `${database} is not empty: ${found}`, {
        hint: 'Load into an empty database, or with --overwrite.',
      });
  }
  await createMarker(connection, RESTORE);
};

const loadScript = async (connection: Connection, bytes: AsyncIterable<Uint8Array>, { progress }: LoadOptions): Promise<number> => {
  let rows = 0;
  let ours = false;
  let complete = false;
  for await (const sql of readStatements(bytes)) {
    if (isOfMarker(sql)) {
      ours = true;
      complete = kindOf(sql) === 'INSERT';
      continue;
    }
    // mysqldump locks one table at a time, and not the sequences that it takes values from.
    if (kindOf(sql) === 'LOCK' || kindOf(sql) === 'UNLOCK') continue;
    if (complete) throw new LifeboatError('ArtifactInvalid', 'the script goes on after its end');
    if (kindOf(sql) === 'INSERT') {
      const changed = await connection.run(sql, 'loading');
      rows += changed;
      progress({ rows: changed, bytes: sql.length });
    } else await replay(connection, sql, { scratch: false });
  }
  if (ours && !complete)
    throw new LifeboatError('ArtifactInvalid', 'the script ends without its last statement', {
      hint: 'The file is cut: get it again. Nothing was kept.',
    });
  return rows;
};

/** Over a connection of its own: the other one is in an unknown state. */
const cleanUp = (address: MysqlAddress, services: Services): Promise<void> =>
  withConnection(
    address,
    services,
    async (connection) => {
      if ((await readMarker(connection))?.restore !== RESTORE) return;
      await cleanDatabase(connection);
      await dropMarker(connection);
    },
    { target: true },
  );
