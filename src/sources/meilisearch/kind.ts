import type { SourceKind } from '../contract.ts';
import { addressFromUrl, type MeilisearchAddress, MeilisearchAddressSchema, redact, SCHEMES } from './address.ts';
import { artifactFile } from './artifact-file.ts';

export const meilisearch: SourceKind<MeilisearchAddress> = {
  kind: 'meilisearch',
  address: MeilisearchAddressSchema,
  schemes: SCHEMES,
  fromUrl: addressFromUrl,
  redact,
  source: async (address, services) => (await import('./source.ts')).meilisearchSource(address, services),
  target: async (address, services) => (await import('./target.ts')).meilisearchTarget(address, services),
  // An instance has no room for a second one: a drill needs an instance that is empty, and marks it as its own.
  scratch: (address, name) => ({ ...address, scratchName: name }),
  artifact: artifactFile,
};
