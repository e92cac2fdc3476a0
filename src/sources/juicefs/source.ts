import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { BackupId, PointInTime } from '../../backup/types.ts';
import type { Budget, Facts, Held, Services, Source } from '../contract.ts';
import { type JuicefsAddress, placeOf } from './address.ts';
import { concludeDump } from './conclude.ts';
import { dumpStage } from './dump.ts';
import type { JoinLanes } from './engines/lanes.ts';
import { openPostgresAt } from './engines/open.ts';
import type { PostgresSession } from './engines/postgres.ts';
import type { Reader } from './engines/reader.ts';
import { removeCopy, removeOldCopies } from './engines/sqlite-copy.ts';
import { parseSetting } from './format/setting.ts';
import { TASK_ENTRIES } from './read/plan.ts';
import { firstLiving, withReader } from './reading.ts';

/** About as much text as one inode makes, for the size of a volume. */
const BYTES_PER_INODE = 400;
/** Keeps a connection from being forgotten while it holds the instant, in milliseconds. */
const PING_MS = 60_000;

export interface SourceOptions {
  /** How connections of MySQL come to one instant; without it one connection reads all. */
  readonly joinLanes?: (() => Promise<JoinLanes>) | undefined;
  /** Names of one task. */
  readonly taskEntries?: number;
}

export const juicefsSource = (address: JuicefsAddress, services: Services, options: SourceOptions = {}): Source => ({
  inspect: () =>
    address.engine === 'rdb'
      ? inspectRdb(address, services)
      : withReader(address, services, undefined, (reader) => inspectVolume(address, services, reader)),
  ...(address.engine === 'postgres'
    ? { hold: (held: Held, budget: Budget) => holdSnapshot(address, services, held, budget) }
    : { open: async (backup: BackupId) => ownInstant(address, services, backup) }),
  dump: dumpStage(address, services, { taskEntries: TASK_ENTRIES, ...options }),
  seal: { name: 'seal', mode: 'independent', async *plan() {}, run: async () => ({ segments: [], digests: [] }) },
  conclude: (context) => concludeDump(context),
  // What else the dump read it read in sessions of its own, which have ended.
  close: async (at) => removeCopy(services.temporary, at.token),
  ...(address.engine === 'sqlite3' ? { tidy: (hasEnded) => removeOldCopies(services.temporary, services.now(), hasEnded) } : {}),
});

/** Without its trees: all of the file is gone through for it once more. */
const inspectRdb = async (address: JuicefsAddress, services: Services): Promise<Facts> => {
  const { openRdbHead } = await import('./engines/redis-instant.ts');
  const reader = await openRdbHead(address, services);
  try {
    return await inspectVolume(address, services, reader);
  } finally {
    await reader.close();
  }
};

const inspectVolume = async (address: JuicefsAddress, services: Services, reader: Reader): Promise<Facts> => {
  const head = await reader.head();
  const setting = parseSetting(head.setting);
  return {
    product: 'JuiceFS',
    version: `metadata ${setting.value['MetaVersion'] ?? 0}`,
    place: placeOf(address, services.temporary),
    content: setting.uuid,
    bytes: Number(head.counters.usedInodes > 0n ? head.counters.usedInodes : 0n) * BYTES_PER_INODE,
    problems: setting.uuid === '' ? [{ code: 'SourceProblem', message: 'the volume has no UUID', hint: 'Its setting is damaged.' }] : [],
  };
};

/** The instant is that of the sessions which read; until then it is only near. Lanes find each other by the name of their barrier. */
const ownInstant = (address: JuicefsAddress, services: Services, backup: BackupId): PointInTime => ({
  // How Redis can be read shows only when it is.
  consistency: address.engine === 'redis' ? 'fuzzy' : 'snapshot',
  at: services.now().toISOString(),
  token:
    address.engine === 'mysql'
      ? { barrier: `lb:${backup}:${randomBytes(3).toString('hex')}` }
      : address.engine === 'sqlite3'
        ? { copy: backup }
        : {},
});

/** Keeps an exported snapshot alive until it is released; the next holder joins it and exports it again. */
const holdSnapshot = async (address: JuicefsAddress, services: Services, held: Held, budget: Budget): Promise<void> => {
  const over = (): boolean => budget.signal.aborted || budget.remaining() <= 0;
  const { session, at } = await joinAny(address, services, await held.instants());
  try {
    const [row] = await session.rows(
      `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`,
      'fixing the instant',
    );
    await held.publish({ consistency: 'snapshot', at: at ?? String(row?.[0]), token: { snapshot: await session.exportSnapshot() } });
    while (!over()) {
      await sleep(Math.min(PING_MS, Math.max(1, budget.remaining())), undefined, { signal: budget.signal }).catch((error: unknown) => {
        if (!budget.signal.aborted) throw error;
      });
      if (!over()) await session.rows('SELECT 1', 'holding the instant');
    }
  } finally {
    await session.close();
  }
};

const SnapshotSchema = z.object({ snapshot: z.string() });

/** Joins the newest instant that lives, or begins the first when there is none. Fails with InstantLost when none of them lives. */
const joinAny = async (
  address: JuicefsAddress,
  services: Services,
  instants: readonly PointInTime[],
): Promise<{ readonly session: PostgresSession; readonly at: string | undefined }> => {
  const join = async (instant: PointInTime | undefined) => {
    const session = await openPostgresAt(address, services);
    try {
      await session.join(instant === undefined ? undefined : SnapshotSchema.parse(instant.token).snapshot);
      return { session, at: instant?.at };
    } catch (error) {
      await session.close();
      throw error;
    }
  };
  if (instants.length === 0) return join(undefined);
  return firstLiving(instants, join);
};
