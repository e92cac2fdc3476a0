import { LifeboatError } from '../../errors.ts';
import type { Objects, Services } from '../contract.ts';
import type { LakefsAddress } from './address.ts';
import type { OpenPlace } from './external.ts';
import { type Metadata, openMetadata, openNamespace } from './namespace.ts';
import { type Repository, repository } from './rest/api.ts';
import { type Client, openClient } from './rest/client.ts';
import { findLogin } from './rest/login.ts';

/** A repository, the server that has it, and the storage that it lies in. */
export interface Session {
  readonly client: Client;
  readonly repository: Repository;
  readonly objects: Objects;
  readonly metadata: Metadata;
  /** Where imported objects are copied from; absent where they are only listed. */
  readonly openPlace?: OpenPlace;
}

export const connect = async (address: LakefsAddress, services: Services, signal?: AbortSignal): Promise<Client> =>
  openClient(await findLogin(address, services), signal);

export const openSession = async (address: LakefsAddress, services: Services, signal?: AbortSignal): Promise<Session> => {
  const client = await connect(address, services, signal);
  const found = await repository(client, address.repository);
  const objects = await openNamespace(address, services, found.storage_namespace);
  const openPlace = address.external === 'copy' ? placeOpener(address, services) : undefined;
  const metadata = openMetadata(objects, address.metadataPrefix);
  return { client, repository: found, objects, metadata, ...(openPlace === undefined ? {} : { openPlace }) };
};

/** Buckets beside the namespace are met as its own is. */
export const placeOpener =
  (address: LakefsAddress, { openObjects }: Services): OpenPlace =>
  async (url) => {
    if (openObjects === undefined) throw new LifeboatError('Unsupported', 'objects cannot be reached from here');
    return openObjects(url, address.storage ?? {});
  };

/** `lakefs://host/repository`: the place of a repository, however it is reached. */
export const placeOf = (client: Client, name: string): string => `lakefs://${new URL(client.login.api).host}/${name}`;

/** The pool of the source; a dump into a stream has none. */
export const poolOf = (context: { readonly pool?: Objects }): Objects => {
  if (context.pool !== undefined) return context.pool;
  throw new LifeboatError('Unsupported', 'a repository of lakeFS is more than one file', {
    hint: 'Back it up into a store: lifeboat backup.',
  });
};

/** The path of an object in the namespace, from the address that lakeFS gives; undefined when it lies elsewhere. */
export const inNamespace = (namespace: string, physical: string): string | undefined => {
  const base = `${namespace.replace(/\/+$/, '')}/`;
  return physical.startsWith(base) ? physical.slice(base.length) : undefined;
};

/** Where an address of this server's storage lies for `openObjects`. */
export const physicalOf = (namespace: string, relative: string): string => `${namespace.replace(/\/+$/, '')}/${relative}`;
