import type { SourceKind } from '../contract.ts';
import { addressFromUrl, type LakefsAddress, LakefsAddressSchema, redact, SCHEMES, scratchAddress } from './address.ts';
import { verifyPool } from './offline.ts';
import { lakefsSource } from './source.ts';
import { lakefsTarget } from './target.ts';

export const lakefs: SourceKind<LakefsAddress> = {
  kind: 'lakefs',
  address: LakefsAddressSchema,
  schemes: SCHEMES,
  fromUrl: addressFromUrl,
  redact,
  source: lakefsSource,
  target: lakefsTarget,
  scratch: scratchAddress,
  verifyPool,
  artifact: {
    format: 'lakeFS refs manifest',
    recognises: (head) => Buffer.from(head).toString('latin1').includes('"branches_meta_range_id"'),
    isWhole: (tail) => /\}\s*$/.test(Buffer.from(tail).toString('latin1')),
  },
};
