import { networkInterfaces } from 'node:os';
import { z } from 'zod';
import type { Connection } from './connect.ts';

/**
 * The place of a database, `<cluster>/<server>/<database>`: two names of one server are one place, and a clone of an instance
 * is another one although its cluster has the same system identifier.
 *
 * - cluster: the system identifier that initdb gave.
 * - server: the address and port at which the server accepted this connection, in its own eyes, whatever name led there. The
 *   socket, the loopback and this machine's own addresses are all `local`: so the same server reached in two ways from one
 *   machine is one place. Two clones on two machines, each seen as local, count as one: a restore over it is refused, and
 *   that is the safe side.
 * - database: its name. A database that was dropped and made anew is the same place, and empty.
 */
export const placeOf = async (connection: Connection): Promise<string> => {
  const [server] = await connection.rows(Server, SERVER, [], 'asking the server who it is');
  if (server === undefined) throw new Error('a SELECT without FROM has one row');
  return `${server.cluster ?? 'unknown'}/${serverName(server.address, server.port ?? connection.address.port)}/${server.database}`;
};

const Server = z.object({
  cluster: z.string().nullable(),
  address: z.string().nullable(),
  port: z.number().nullable(),
  database: z.string(),
});

const SERVER = `
SELECT CASE WHEN has_function_privilege('pg_control_system()', 'EXECUTE') THEN (SELECT system_identifier::text FROM pg_control_system()) END AS cluster,
       host(inet_server_addr()) AS address, inet_server_port() AS port, current_database()::text AS database`;

/** `10.0.3.7:5432`, or `local:5432`. */
export const serverName = (address: string | null, port: number, own: readonly string[] = ownAddresses()): string => {
  if (address === null || own.includes(address)) return `local:${port}`;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
};

const ownAddresses = (): string[] => [
  '127.0.0.1',
  '::1',
  ...Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address)),
];
