import type { Services, Source } from '../contract.ts';
import { instanceAt, type MeilisearchAddress } from './address.ts';
import { concludeDump } from './conclude.ts';
import { dumpStage } from './dump.ts';
import { inspectSource } from './inspect.ts';
import { openInstant } from './instant.ts';
import { sealStage } from './seal.ts';

/** One instance, as a `.dump` of version 6: read over HTTP, or written by the server. */
export const meilisearchSource = (given: MeilisearchAddress, services: Services): Source => {
  const address = instanceAt(given);
  return {
    inspect: () => inspectSource(address, services),
    open: () => openInstant(address, services),
    dump: dumpStage(address, services),
    seal: sealStage,
    framed: true,
    conclude: concludeDump,
    // Nothing is held: each index is read at an instant of its own, and a dump of the server is the server's.
    close: async () => {},
  };
};
