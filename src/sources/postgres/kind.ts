import type { SourceKind } from '../contract.ts';
import { addressFromUrl, type PostgresAddress, PostgresAddressSchema, redact, SCHEMES } from './address.ts';
import { artifactFile } from './artifact-file.ts';

export const postgres: SourceKind<PostgresAddress> = {
  kind: 'postgres',
  address: PostgresAddressSchema,
  schemes: SCHEMES,
  fromUrl: addressFromUrl,
  redact,
  source: async (address, services) => (await import('./source.ts')).postgresSource(address, services),
  target: async (address, services) => (await import('./target.ts')).postgresTarget(address, services),
  // A database beside the one of the address: the address of a drill names a server.
  scratch: (address, name) => ({ ...address, database: name.replaceAll('-', '_') }),
  artifact: artifactFile,
};
