import { randomBytes } from 'node:crypto';
import type { Services, Source } from '../contract.ts';
import type { MysqlAddress } from './address.ts';
import { concludeDump } from './conclude.ts';
import { withConnection } from './connect.ts';
import { dumpStage } from './dump.ts';
import { inspectDatabase } from './inspect.ts';
import { sealStage } from './seal.ts';

/** One database, as of one instant that several connections came to together, as a script for the stock client. */
export const mysqlSource = (address: MysqlAddress, services: Services): Source => ({
  inspect: () => withConnection(address, services, inspectDatabase),
  // Nothing is fixed yet: the lanes do that among themselves, by locks of this name. The conclusion has the true time.
  open: async (backup) => ({
    consistency: 'snapshot',
    at: services.now().toISOString(),
    token: { barrier: `lb:${backup}:${randomBytes(3).toString('hex')}` },
  }),
  dump: dumpStage(address, services),
  seal: sealStage,
  conclude: concludeDump,
  // Each lane's instant ends with its connection.
  close: async () => {},
});
