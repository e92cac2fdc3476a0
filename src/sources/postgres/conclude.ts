import type { Conclusion, StageContext } from '../contract.ts';
import type { Details } from './dump-facts.ts';
import { gather } from './gathered.ts';
import { restoreGuide } from './guide.ts';

/** Whatever the manifest says of this kind, from receipts alone. */
export const concludeDump = async (context: StageContext): Promise<Conclusion> => {
  const gathered = await gather(context);
  const { server, tables, sequences, assertions, notIncluded } = gathered;
  const details: Details = { server, tables: [...tables], sequences: [...sequences] };
  return {
    pointInTime: gathered.instant,
    artifact: { format: 'PostgreSQL script', restoreWith: 'psql -X -v ON_ERROR_STOP=1' },
    assertions,
    details,
    notIncluded,
    guide: restoreGuide(gathered),
  };
};
