/** What an audit says of all that follows from the names of a volume, on any engine. */
import type { Check } from '../../../src/backup/types.ts';
import type { Budget } from '../../../src/sources/contract.ts';
import type { JuicefsAddress } from '../../../src/sources/juicefs/address.ts';
import { openRedisAt, openSql } from '../../../src/sources/juicefs/engines/open.ts';
import type { RedisSession } from '../../../src/sources/juicefs/engines/redis.ts';
import { auditKeys, type KeysState } from '../../../src/sources/juicefs/engines/redis-audit.ts';
import { auditSlices, type SlicesState } from '../../../src/sources/juicefs/engines/redis-slices.ts';
import { NO_SLICES, sliceChecks } from '../../../src/sources/juicefs/engines/slice-sums.ts';
import type { SqlSession } from '../../../src/sources/juicefs/engines/sql.ts';
import { sqlChecks, sqlRecount } from '../../../src/sources/juicefs/engines/sql-checks.ts';
import { FIRST_SLICE, type SlicePlace, sumSlices } from '../../../src/sources/juicefs/engines/sql-slices.ts';
import { services } from './harness.ts';

export const budget: Budget = { remaining: () => 1e9, signal: new AbortController().signal };

export const derivedInSql = async (session: SqlSession): Promise<Check[]> => {
  let sums = NO_SLICES;
  for (let place: SlicePlace | undefined = FIRST_SLICE; place !== undefined; )
    ({ sums, next: place } = await sumSlices(session, sums, place));
  return [...(await sqlChecks(session)), ...(await sqlRecount(session)), ...sliceChecks(sums)];
};

export interface DerivedInRedis {
  readonly checks: readonly Check[];
  readonly notMeasured: readonly string[];
  /** Invocations that it took. */
  readonly parts: number;
}

const copied = <State>(state: State): State => JSON.parse(JSON.stringify(state)) as State;

export const derivedInRedis = async (session: RedisSession, allowed = budget): Promise<DerivedInRedis> => {
  let keys = await auditKeys(session, undefined, allowed, () => {});
  let parts = 2;
  for (; keys.next !== undefined; parts++) keys = await auditKeys(session, copied<KeysState>(keys.next), allowed, () => {});
  let slices = await auditSlices(session, undefined, new Set(), allowed, () => {});
  for (; slices.next !== undefined; parts++)
    slices = await auditSlices(session, copied<SlicesState>(slices.next), new Set(), allowed, () => {});
  return {
    checks: [...keys.checks, ...slices.checks],
    notMeasured: [...keys.notMeasured, ...slices.notMeasured].map(({ what, why }) => `${what}: ${why}`),
    parts,
  };
};

/** Names of the checks that failed, and what was not measured. */
export const flawsOf = async (address: JuicefsAddress): Promise<readonly string[]> => {
  const session = address.engine === 'redis' ? await openRedisAt(address, services) : await openSql(address, services, false);
  try {
    const { checks, notMeasured } =
      'call' in session ? await derivedInRedis(session) : { checks: await derivedInSql(session), notMeasured: [] };
    return [...checks.filter(({ ok }) => !ok).map(({ name }) => name), ...notMeasured];
  } finally {
    await session.close();
  }
};
