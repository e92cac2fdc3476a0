import type { Assertion } from '../../backup/types.ts';
import type { Services } from '../contract.ts';
import { collectFacts } from '../openmetadata/facts.ts';
import type { Connection } from './connect.ts';
import { countAssertions } from './counts.ts';

/** What a database says of itself beside its rows: at the backup's instant, and again when it is restored. */
export async function collectAssertions(connection: Connection, services: Services): Promise<Assertion[]> {
  const { fernetKey } = connection.address;
  const facts = await collectFacts(
    (sql) => connection.query(sql, [], 'reading what OpenMetadata says of itself'),
    fernetKey === undefined ? {} : { fernetKey: await services.secret(fernetKey) },
  );
  return [...(await countAssertions(connection)), ...facts];
}
