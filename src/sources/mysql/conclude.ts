import type { Conclusion, StageContext } from '../contract.ts';
import type { Details } from './dump-facts.ts';
import { gather } from './gathered.ts';
import { restoreGuide } from './guide.ts';

/** Whatever the manifest says of this kind, from receipts alone. */
export const concludeDump = async (context: StageContext): Promise<Conclusion> => {
  const gathered = await gather(context);
  const { passed, server, assertions, notIncluded } = gathered;
  const details: Details = { server, passed };
  const { at, ...how } = passed;
  return {
    pointInTime: { consistency: 'snapshot', at, token: how },
    artifact: { format: 'MySQL script', restoreWith: 'mysql --binary-mode --comments' },
    assertions,
    details,
    notIncluded,
    guide: restoreGuide(gathered),
  };
};
