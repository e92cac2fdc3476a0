import type { SourceKind } from '../contract.ts';
import { addressFromUrl, type JuicefsAddress, JuicefsAddressSchema, redact, SCHEMES, scratchOf } from './address.ts';
import { artifactFile } from './artifact-file.ts';

/** The metadata of a JuiceFS volume, whatever engine holds it. */
export const juicefs: SourceKind<JuicefsAddress> = {
  kind: 'juicefs',
  address: JuicefsAddressSchema,
  schemes: SCHEMES,
  fromUrl: addressFromUrl,
  redact,
  source: async (address, services) => (await import('./source.ts')).juicefsSource(address, services),
  target: async (address, services) => (await import('./target.ts')).juicefsTarget(address, services),
  scratch: scratchOf,
  ownScratch: JuicefsAddressSchema.parse({ engine: 'sqlite3', path: 'lifeboat-drill.db' }),
  artifact: artifactFile,
};
