import type { SourceKind } from '../contract.ts';
import { addressFromUrl, type MysqlAddress, MysqlAddressSchema, redact, SCHEMES } from './address.ts';
import { artifactFile } from './artifact-file.ts';
import { mysqlSource } from './source.ts';
import { mysqlTarget } from './target.ts';

export const mysql: SourceKind<MysqlAddress> = {
  kind: 'mysql',
  address: MysqlAddressSchema,
  schemes: SCHEMES,
  fromUrl: addressFromUrl,
  redact,
  source: mysqlSource,
  target: mysqlTarget,
  // A database beside the one of the address: the address of a drill names a server.
  scratch: (address, name) => ({ ...address, database: name.replaceAll('-', '_') }),
  artifact: artifactFile,
};
