import type { Json, PointInTime } from '../../backup/types.ts';
import { isLifeboatError, LifeboatError } from '../../errors.ts';
import type { Services } from '../contract.ts';
import type { JuicefsAddress } from './address.ts';
import { closing, openReader } from './engines/open.ts';
import type { Reader } from './engines/reader.ts';

/** A reader for one piece of work: at the instant of a token, or at one of its own. */
export const withReader = <Result>(
  address: JuicefsAddress,
  services: Services,
  token: Json | undefined,
  use: (reader: Reader) => Promise<Result>,
): Promise<Result> => closing(openReader(address, services, token), use);

/** Tries instants newest first. Fails with InstantLost when none of them lives. */
export const firstLiving = async <Result>(instants: readonly PointInTime[], use: (at: PointInTime) => Promise<Result>): Promise<Result> => {
  let last: unknown;
  for (const instant of instants)
    try {
      return await use(instant);
    } catch (error) {
      if (!isLifeboatError(error, 'InstantLost')) throw error;
      last = error;
    }
  throw new LifeboatError('InstantLost', 'no instant of this backup lives any more', { hint: 'Start a new backup.', cause: last });
};
