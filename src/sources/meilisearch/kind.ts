import type { SourceKind } from '../contract.ts';
import { addressFromUrl, type MeilisearchAddress, MeilisearchAddressSchema, redact, SCHEMES } from './address.ts';
import { artifactFile } from './artifact-file.ts';
import { meilisearchSource } from './source.ts';
import { meilisearchTarget } from './target.ts';

export const meilisearch: SourceKind<MeilisearchAddress> = {
  kind: 'meilisearch',
  address: MeilisearchAddressSchema,
  schemes: SCHEMES,
  fromUrl: addressFromUrl,
  redact,
  source: meilisearchSource,
  target: meilisearchTarget,
  // An instance has no room for a second one: a drill needs an instance that is empty, and marks it as its own.
  scratch: (address, name) => ({ ...address, scratchName: name }),
  artifact: artifactFile,
};
