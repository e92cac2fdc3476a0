import type { SourceKind } from '../contract.ts';
import { addressFromUrl, type RdsAddress, RdsAddressSchema, redact } from './address.ts';
import type { Engine } from './engine.ts';
import { rdsSource } from './source.ts';
import { rdsTarget } from './target.ts';

/** DB instances of Amazon RDS. The engines speak to the servers inside. */
export const rds = (engines: readonly Engine[]): SourceKind<RdsAddress> => ({
  kind: 'rds',
  address: RdsAddressSchema,
  schemes: ['rds'],
  fromUrl: addressFromUrl,
  redact,
  source: (address, services) => rdsSource(address, services, engines),
  target: (address, services) => rdsTarget(address, services, engines),
  scratch: (address, name) => ({ ...address, instance: name }),
});
