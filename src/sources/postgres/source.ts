import type { Services, Source } from '../contract.ts';
import type { PostgresAddress } from './address.ts';
import { concludeDump } from './conclude.ts';
import { withConnection } from './connect.ts';
import { dumpStage } from './dump.ts';
import { holdInstant } from './hold.ts';
import { inspectDatabase } from './inspect.ts';
import { sealStage } from './seal.ts';

/** One database, as of one exported snapshot, as a psql script. */
export const postgresSource = (address: PostgresAddress, services: Services): Source => ({
  inspect: () => withConnection(address, services, inspectDatabase),
  hold: (held, budget) => holdInstant(address, services, held, budget),
  dump: dumpStage(address, services),
  seal: sealStage,
  conclude: concludeDump,
  // The instant lives in the holders' connections, and ends with them.
  close: async () => {},
});
