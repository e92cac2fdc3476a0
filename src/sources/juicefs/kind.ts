import type { SourceKind } from '../contract.ts';
import { addressFromUrl, type JuicefsAddress, JuicefsAddressSchema, redact, SCHEMES, scratchOf } from './address.ts';
import { artifactFile } from './artifact-file.ts';
import type { JoinLanes } from './engines/lanes.ts';

/** The metadata of a JuiceFS volume, whatever engine holds it. `joinLanes`: how connections of MySQL come to one instant. */
export const juicefs = (joinLanes: () => Promise<JoinLanes>): SourceKind<JuicefsAddress> => ({
  kind: 'juicefs',
  address: JuicefsAddressSchema,
  schemes: SCHEMES,
  fromUrl: addressFromUrl,
  redact,
  source: async (address, services) => (await import('./source.ts')).juicefsSource(address, services, { joinLanes }),
  target: async (address, services) => (await import('./target.ts')).juicefsTarget(address, services),
  scratch: scratchOf,
  ownScratch: JuicefsAddressSchema.parse({ engine: 'sqlite3', path: 'lifeboat-drill.db' }),
  artifact: artifactFile,
  browse: async (manifest, read, request) => (await import('./browse/browse.ts')).browse(manifest, read, request),
});
