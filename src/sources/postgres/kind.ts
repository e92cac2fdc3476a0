import type { SourceKind } from '../contract.ts';
import { addressFromUrl, type PostgresAddress, PostgresAddressSchema, redact, SCHEMES } from './address.ts';
import { artifactFile } from './artifact-file.ts';

export const postgres: SourceKind<PostgresAddress> = {
  kind: 'postgres',
  address: PostgresAddressSchema,
  schemes: SCHEMES,
  fromUrl: addressFromUrl,
  redact,
  source: () => {
    throw new Error('TEMPORARY');
  },
  target: () => {
    throw new Error('TEMPORARY');
  },
  scratch: (address, name) => ({ ...address, database: name.replaceAll('-', '_') }),
  artifact: artifactFile,
};
