import type { Services, Source } from '../contract.ts';
import type { LakefsAddress } from './address.ts';
import { concludeDump } from './conclude.ts';
import { dumpStage } from './dump.ts';
import { inspectRepository } from './inspect.ts';
import { openInstant } from './open.ts';
import { removeRepository } from './remove.ts';
import { sealStage } from './seal.ts';

/** One repository, as of one dump of its refs. Nothing that a dump names is ever changed: there is nothing to hold open. */
export const lakefsSource = (address: LakefsAddress, services: Services): Source => ({
  inspect: () => inspectRepository(address, services),
  open: () => openInstant(address, services),
  dump: dumpStage(address, services),
  seal: sealStage,
  conclude: (context) => concludeDump(context, address.metadataPrefix),
  close: async () => {},
  remove: (manifest, read, signal) => removeRepository(address, services, manifest, read, signal),
});
