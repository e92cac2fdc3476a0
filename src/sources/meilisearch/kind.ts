import type { SourceKind } from '../contract.ts';
import { addressFromUrl, type MeilisearchAddress, MeilisearchAddressSchema, ownScratch, redact, SCHEMES, scratchOf } from './address.ts';
import { artifactFile } from './artifact-file.ts';

export const meilisearch: SourceKind<MeilisearchAddress> = {
  kind: 'meilisearch',
  address: MeilisearchAddressSchema,
  schemes: SCHEMES,
  fromUrl: addressFromUrl,
  redact,
  source: async (address, services) => (await import('./source.ts')).meilisearchSource(address, services),
  target: async (address, services) => (await import('./target.ts')).meilisearchTarget(address, services),
  scratch: scratchOf,
  ...ownScratch(process.env['MEILISEARCH_BIN']),
  artifact: artifactFile,
};
