import type { SourceKind } from '../contract.ts';
import { addressFromUrl, type RdsAddress, RdsAddressSchema, redact, restoredAddress } from './address.ts';
import type { Engine } from './engine.ts';

/** DB instances of Amazon RDS. The engines speak to the servers inside. */
export const rds = (engines: () => Promise<readonly Engine[]>): SourceKind<RdsAddress> => ({
  kind: 'rds',
  address: RdsAddressSchema,
  schemes: ['rds'],
  fromUrl: addressFromUrl,
  redact,
  source: async (address, services) => (await import('./source.ts')).rdsSource(address, services, await engines()),
  target: async (address, services) => (await import('./target.ts')).rdsTarget(address, services, await engines()),
  restored: (address, resource) => restoredAddress(address, resource),
  verifyPool: async (manifest) => (await import('./verify.ts')).verifySnapshots(manifest),
  scratch: (address, name) => ({ ...address, instance: name }),
});
