import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PointInTime } from '../../../src/backup/types.ts';
import { connect, withConnection } from '../../../src/sources/postgres/connect.ts';
import { holdInstant } from '../../../src/sources/postgres/hold.ts';
import { joinInstant, openInstant } from '../../../src/sources/postgres/instant.ts';
import { type FreshDatabase, freshDatabase, query } from '../../support/postgres.ts';
import { addressOf, memoryHeld, services } from './harness.ts';

let database: FreshDatabase;
beforeEach(async () => {
  database = await freshDatabase('hold');
  await query(database.url, 'CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 100)');
});
afterEach(() => database.drop());

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
};

const holder = (held: ReturnType<typeof memoryHeld>, pingMs?: number) => {
  const release = new AbortController();
  const before = held.published.length;
  const ended = holdInstant(addressOf(database.url), services, held, { remaining: () => 600_000, signal: release.signal }, pingMs);
  ended.catch(() => {});
  return {
    ended,
    published: () => Promise.race([ended, until(() => held.published.length > before)]),
    release: async () => {
      release.abort();
      await ended;
    },
  };
};

/** Sessions that hold a snapshot open, oldest first. */
const holders = async (): Promise<number[]> => {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  const { rows } = await client.query<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'lifeboat' ORDER BY backend_start`,
  );
  await client.end();
  return rows.map(({ pid }) => pid);
};

const count = (instants: readonly PointInTime[]): Promise<unknown> =>
  withConnection(addressOf(database.url), services, async (connection) => {
    await joinInstant(connection, instants);
    return (await connection.query('SELECT count(*)::int AS n FROM public.t'))[0]?.['n'];
  });

describe('a held instant', () => {
  it('outlives each of its holders over many hops, seen through killed and released ones alike', async () => {
    const held = memoryHeld();
    let current = holder(held);
    await current.published();
    for (let hop = 0; hop < 8; hop++) {
      await query(database.url, `INSERT INTO t SELECT generate_series(1, 10); DELETE FROM t WHERE a = ${hop}`);
      await query(database.url, 'VACUUM t');
      const next = holder(held);
      await next.published();
      if (hop % 2 === 0) await current.release();
      else {
        const [oldest] = await holders();
        await query(database.url, `SELECT pg_terminate_backend(${oldest})`);
      }
      expect(await count(await held.instants())).toBe(100);
      current = next;
    }
    expect(new Set(held.published.map((at) => at.at)).size).toBe(1);
    expect(new Set(held.published.map((at) => JSON.stringify(at.token))).size).toBe(held.published.length);
    await current.release();
    await expect(count(await held.instants())).rejects.toMatchObject({ code: 'InstantLost' });
  });

  it('survives one killed holder, and is lost by name when both are', async () => {
    const held = memoryHeld();
    const first = holder(held);
    await first.published();
    const other = holder(held);
    await other.published();
    const [one, two] = await holders();
    await query(database.url, `SELECT pg_terminate_backend(${two})`);
    expect(await count(await held.instants())).toBe(100);
    await query(database.url, `SELECT pg_terminate_backend(${one})`);
    await expect(count(await held.instants())).rejects.toMatchObject({
      code: 'InstantLost',
      message: 'none of the 2 exported snapshots of this backup lives any more',
      retryable: false,
    });
    await expect(holder(held).ended).rejects.toMatchObject({ code: 'InstantLost' });
    await Promise.all([first.release(), other.release()].map((ended) => ended.catch(() => {})));
  });

  it('notices at the next ping that its connection was killed', async () => {
    const held = memoryHeld();
    const killed = holder(held, 20);
    await killed.published();
    const [pid] = await holders();
    await query(database.url, `SELECT pg_terminate_backend(${pid})`);
    await expect(killed.ended).rejects.toMatchObject({ code: 'ConnectionLost', retryable: true });
  });

  it('is let go when the time is over', async () => {
    const held = memoryHeld();
    const end = Date.now() + 300;
    await holdInstant(addressOf(database.url), services, held, { remaining: () => end - Date.now(), signal: new AbortController().signal });
    expect(Date.now()).toBeGreaterThanOrEqual(end);
    expect(await holders()).toEqual([]);
    expect(held.published).toHaveLength(1);
  });

  it('is never mixed with another instant', async () => {
    const [a, b] = [memoryHeld(), memoryHeld()];
    const [first, second] = [holder(a), holder(b)];
    await Promise.all([first.published(), second.published()]);
    await expect(count([...(await a.instants()), ...(await b.instants())])).rejects.toMatchObject({
      code: 'InstantLost',
      message: expect.stringContaining('two different instants'),
    });
    await Promise.all([first.release(), second.release()]);
  });

  it('has the time of the server, and a token that is plain JSON', async () => {
    const connection = await connect(addressOf(database.url), services);
    const at = await openInstant(connection);
    expect(at.consistency).toBe('snapshot');
    expect(Math.abs(Date.parse(at.at) - Date.now())).toBeLessThan(60_000);
    expect(JSON.parse(JSON.stringify(at.token))).toEqual(at.token);
    await connection.close();
  });
});
