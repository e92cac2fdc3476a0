import type { SourceKind } from '../contract.ts';
import { addressFromUrl, type JuicefsAddress, JuicefsAddressSchema, redact, SCHEMES, scratchOf } from './address.ts';
import { artifactFile } from './artifact-file.ts';
import { juicefsSource } from './source.ts';
import { juicefsTarget } from './target.ts';

/** The metadata of a JuiceFS volume, whatever engine holds it. */
export const juicefs: SourceKind<JuicefsAddress> = {
  kind: 'juicefs',
  address: JuicefsAddressSchema,
  schemes: SCHEMES,
  fromUrl: addressFromUrl,
  redact,
  source: juicefsSource,
  target: juicefsTarget,
  scratch: scratchOf,
  ownScratch: JuicefsAddressSchema.parse({ engine: 'sqlite3', path: 'lifeboat-drill.db' }),
  artifact: artifactFile,
};
