import { setTimeout as sleep } from 'node:timers/promises';
import { LifeboatError } from '../../../errors.ts';
import { type Dialect, type Into, type SqlSession, string } from './sql.ts';
import { sqlChecks } from './sql-checks.ts';
import { insertEntries } from './sql-entries.ts';
import { finishStep, makeIndexes, publishVolume } from './sql-finish.ts';
import { numberRules } from './sql-rules.ts';
import { MARKER, TABLES } from './tables.ts';
import type { Marker, Occurrence, Writer } from './writer.ts';

/** Largest number of an INT column; juicefs keeps unsigned numbers in signed ones. */
const INT_MAX = 2_147_483_647;
/** A transaction that met a deadlock is tried this many times, each time a little later. */
const TRIES_MAX = 8;
const WAIT_MS = 50;
/** Bytes of a BLOB column of MySQL. */
const MYSQL_BLOB_MAX_BYTES = 65_535;

const MARKS: Into = { table: MARKER.name, columns: ['item', 'detail'], there: 'keep' };

export const sqlWriter = (session: SqlSession): Writer => {
  const { dialect } = session;
  const markerTable = dialect.table(MARKER.name);
  const rules = new Map<string, number>();
  /** Whether files of one name may be there already: only once one was. */
  let doubting = false;

  const transaction = async <Result>(work: () => Promise<Result>, begin = dialect.begin): Promise<Result> => {
    for (let attempt = 1; ; attempt++) {
      try {
        await session.run(begin, 'beginning to write');
        const result = await work();
        await session.run('COMMIT', 'writing');
        return result;
      } catch (error) {
        await session.run('ROLLBACK', 'giving up').catch(() => {});
        if (!session.isTransient(error) || attempt >= TRIES_MAX) throw error;
        doubting = true;
        await sleep(WAIT_MS * attempt * (1 + attempt / TRIES_MAX));
      }
    }
  };

  const readMarker = async (): Promise<Marker | undefined> => {
    if (!(await session.tables()).has(MARKER.name)) return undefined;
    const rows = await session.rows(`SELECT item, detail FROM ${markerTable}`, 'reading the marker');
    const items = new Map(rows.map((row) => [string(row[0]), string(row[1])]));
    return { restore: items.get('restore') ?? 'unknown', since: items.get('since') ?? 'unknown' };
  };

  return {
    async occupant() {
      const [table] = [...(await session.tables()).keys()].filter((name) => name !== MARKER.name).sort();
      return table === undefined ? undefined : `table ${dialect.table(table)}`;
    },
    marker: readMarker,
    async begin(restore, since) {
      const known = await session.tables();
      // The marker first: tables without it would look like somebody's volume.
      if (!known.has(MARKER.name)) {
        for (const sql of dialect.create(MARKER.name)) await session.run(sql, 'making the marker');
        const marks = [
          ['restore', restore],
          ['since', since],
        ];
        await session.insert(MARKS, marks, 'making the marker');
      }
      for (const { name } of TABLES) {
        if (known.has(name)) continue;
        for (const sql of dialect.create(name)) await session.run(sql, `making table ${name}`);
      }
    },
    async put(occurrences) {
      if (occurrences.length === 0) return 0;
      check(dialect, occurrences);
      await numberRules(session, transaction, rules, occurrences);
      return transaction(() => insertEntries(session, rules, occurrences, doubting), dialect.beginLoading);
    },
    async settle() {
      if (dialect.beginLoading === dialect.begin) return;
      // The log is written in its order: with this it holds all that was committed before.
      await transaction(() => session.insert({ ...MARKS, there: 'replace' }, [['settled', 'once']], 'settling'));
    },
    async finish(step, head, now) {
      if (step === 'links') await makeIndexes(session);
      await transaction(() => finishStep(session, step, head, now));
    },
    async publish(head) {
      await transaction(() => publishVolume(session, head));
      await session.run(`DROP TABLE ${markerTable}`, 'removing the marker');
    },
    checks: () => sqlChecks(session),
    async clear() {
      const known = await session.tables();
      const ours = TABLES.filter(({ name }) => known.has(name));
      for (const { name } of ours) await session.run(`DROP TABLE ${dialect.table(name)}`, `removing table ${name}`);
      if (known.has(MARKER.name)) await session.run(`DROP TABLE ${markerTable}`, 'removing the marker');
    },
    close: () => session.close(),
  };
};

/** What this engine cannot hold is refused before anything is written. */
const check = (dialect: Dialect, occurrences: readonly Occurrence[]): void => {
  for (const { entry } of occurrences) {
    const { attr, xattrs, chunks } = entry;
    if (attr.uid > INT_MAX || attr.gid > INT_MAX || attr.rdev > INT_MAX) {
      if (dialect.engine !== 'sqlite3')
        throw refused(`inode ${attr.inode} has a uid, gid or rdev above ${INT_MAX}`, dialect, 'Load it into Redis or SQLite.');
    }
    if (dialect.engine !== 'mysql') continue;
    const names = (xattrs ?? []).map(({ name }) => Buffer.from(name).toString('utf8').normalize('NFKD').toLowerCase().trimEnd());
    if (new Set(names).size < names.length)
      throw refused(
        `inode ${attr.inode} has two xattrs whose names differ in their case alone`,
        dialect,
        'MySQL takes them for one; load it into another engine.',
      );
    if (
      (chunks ?? []).some(({ slices }) => slices.length > MYSQL_BLOB_MAX_BYTES) ||
      (xattrs ?? []).some(({ value }) => value.length > MYSQL_BLOB_MAX_BYTES)
    )
      throw refused(
        `inode ${attr.inode} has a chunk or an xattr of more than ${MYSQL_BLOB_MAX_BYTES} bytes`,
        dialect,
        'Compact the file first, or load it into another engine.',
      );
  }
};

const refused = (what: string, { engine }: Dialect, hint: string): LifeboatError =>
  new LifeboatError('TargetProblem', `${what}, which ${engine} cannot hold`, { hint });
