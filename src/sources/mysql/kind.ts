import type { SourceKind } from '../contract.ts';
import { addressFromUrl, type MysqlAddress, MysqlAddressSchema, redact, SCHEMES } from './address.ts';
import { artifactFile } from './artifact-file.ts';

export const mysql: SourceKind<MysqlAddress> = {
  kind: 'mysql',
  address: MysqlAddressSchema,
  schemes: SCHEMES,
  fromUrl: addressFromUrl,
  redact,
  source: async (address, services) => (await import('./source.ts')).mysqlSource(address, services),
  target: async (address, services) => (await import('./target.ts')).mysqlTarget(address, services),
  // A database beside the one of the address: the address of a drill names a server.
  scratch: (address, name) => ({ ...address, database: name.replaceAll('-', '_') }),
  artifact: artifactFile,
};
