import type { SourceKind } from '../contract.ts';
import { addressFromUrl, type LakefsAddress, LakefsAddressSchema, redact, SCHEMES, scratchAddress } from './address.ts';
import { holdingOf } from './words.ts';

export const lakefs: SourceKind<LakefsAddress> = {
  kind: 'lakefs',
  address: LakefsAddressSchema,
  schemes: SCHEMES,
  fromUrl: addressFromUrl,
  redact,
  source: async (address, services) => (await import('./source.ts')).lakefsSource(address, services),
  target: async (address, services) => (await import('./target.ts')).lakefsTarget(address, services),
  scratch: scratchAddress,
  verifyPool: async (manifest, pool, options) => (await import('./offline.ts')).verifyPool(manifest, pool, options),
  holds: holdingOf,
  artifact: {
    format: 'lakeFS refs manifest',
    recognises: (head) => Buffer.from(head).toString('latin1').includes('"branches_meta_range_id"'),
    isWhole: (tail) => /\}\s*$/.test(Buffer.from(tail).toString('latin1')),
  },
  members: {
    async *list(server, services) {
      yield* (await import('./members.ts')).listRepositories(server, services);
    },
    committing: (address) => ({ ...address, uncommitted: 'commit' }),
    home: async (artifact, to, options) => (await import('./members.ts')).homeOf(artifact, to, options),
  },
};
