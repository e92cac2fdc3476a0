import { setTimeout as sleep } from 'node:timers/promises';
import { LifeboatError } from '../../../errors.ts';
import { type Acl, SLICE_BYTES } from '../model.ts';
import { aclKey } from './acl.ts';
import { type Dialect, integer, type SqlSession, string } from './sql.ts';
import { sqlChecks } from './sql-checks.ts';
import { finishStep, publishVolume } from './sql-finish.ts';
import { NODE_COLUMNS, nodeRow } from './sql-node.ts';
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

export const sqlWriter = (session: SqlSession): Writer => {
  const { dialect } = session;
  const markerTable = dialect.table(MARKER.name);
  const rules = new Map<string, number>();

  const transaction = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    for (let attempt = 1; ; attempt++) {
      try {
        await session.run(dialect.begin, 'beginning to write');
        const result = await work();
        await session.run('COMMIT', 'writing');
        return result;
      } catch (error) {
        await session.run('ROLLBACK', 'giving up').catch(() => {});
        if (!session.isTransient(error) || attempt >= TRIES_MAX) throw error;
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
        const rows = [
          ['restore', restore],
          ['since', since],
        ].map(([item = '', detail = '']) => `(${dialect.text(item)}, ${dialect.text(detail)})`);
        await session.run(dialect.insertIfAbsent(markerTable, ['item', 'detail'], rows), 'making the marker');
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
      return transaction(() => insert(session, rules, occurrences));
    },
    finish: (step, head, now) => transaction(() => finishStep(session, step, head, now)),
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

const insert = async (session: SqlSession, rules: ReadonlyMap<string, number>, occurrences: readonly Occurrence[]): Promise<number> => {
  const { dialect } = session;
  const put = async (name: string, columns: readonly string[], rows: readonly string[]): Promise<number> =>
    rows.length === 0 ? 0 : session.run(dialect.insertIfAbsent(dialect.table(name), columns, rows), `writing ${name}`);
  const named = occurrences.filter(({ root }) => !root);
  const edges = await put(
    'edge',
    ['parent', 'name', 'inode', 'type'],
    named.map(({ parent, entry }) => `(${parent},${dialect.bytes(entry.name)},${entry.attr.inode},${entry.attr.type})`),
  );
  const fresh = await freshInodes(session, occurrences);
  const nodes = await put(
    'node',
    NODE_COLUMNS,
    fresh.map(({ parent, entry }) =>
      nodeRow({
        attr: entry.attr,
        parent,
        symlink: entry.symlink,
        accessRule: ruleOf(rules, entry.accessAcl),
        defaultRule: ruleOf(rules, entry.defaultAcl),
      }),
    ),
  );
  // Another writer was first with one of them: the transaction begins anew, and sees it.
  if (nodes !== fresh.length) throw new LifeboatError('SourceBusy', 'two writers brought the same inode at the same time');
  const chunks: string[] = [];
  const xattrs: string[] = [];
  const links: string[] = [];
  const references = new Map<bigint, { readonly size: number; count: number }>();
  for (const { entry } of fresh) {
    const { inode } = entry.attr;
    if (entry.symlink !== undefined) links.push(`(${inode},${dialect.bytes(entry.symlink)})`);
    for (const { name, value } of entry.xattrs ?? [])
      xattrs.push(`(${inode},${dialect.text(Buffer.from(name).toString('utf8'))},${dialect.bytes(value)})`);
    for (const { index, slices } of entry.chunks ?? []) {
      chunks.push(`(${inode},${index},${dialect.bytes(slices)})`);
      countSlices(slices, references);
    }
  }
  await put('chunk', ['inode', 'indx', 'slices'], chunks);
  await put('xattr', ['inode', 'name', 'value'], xattrs);
  await put('symlink', ['inode', 'target'], links);
  if (references.size > 0) {
    // In one order in every writer, so that they do not wait for each other in a circle.
    const sorted = [...references].sort(([a], [b]) => (a < b ? -1 : 1)).map(([id, { size, count }]) => `(${id},${size},${count})`);
    await session.run(
      dialect.insertOrAdd(dialect.table('chunk_ref'), ['chunkid', 'size', 'refs'], sorted, 'chunkid'),
      'writing slice references',
    );
  }
  return edges;
};

const ruleOf = (rules: ReadonlyMap<string, number>, acl: Acl | undefined): number =>
  acl === undefined ? 0 : (rules.get(aclKey(acl)) ?? 0);

/** The first occurrence of each inode that is not there yet. */
const freshInodes = async ({ dialect, rows }: SqlSession, occurrences: readonly Occurrence[]): Promise<readonly Occurrence[]> => {
  const first = new Map<bigint, Occurrence>();
  for (const one of occurrences) if (!first.has(one.entry.attr.inode)) first.set(one.entry.attr.inode, one);
  const there = await rows(
    `SELECT inode FROM ${dialect.table('node')} WHERE inode IN (${[...first.keys()].join(',')})`,
    'looking for inodes',
  );
  for (const row of there) first.delete(integer(row[0]));
  return [...first.values()];
};

/** Holes have the id 0 and are no slices; juicefs counts them and then damages the counts of all others. */
export const countSlices = (slices: Uint8Array, references: Map<bigint, { readonly size: number; count: number }>): void => {
  const view = new DataView(slices.buffer, slices.byteOffset, slices.byteLength);
  for (let at = 0; at + SLICE_BYTES <= slices.length; at += SLICE_BYTES) {
    const id = view.getBigUint64(at + 4);
    if (id === 0n) continue;
    const known = references.get(id);
    if (known === undefined) references.set(id, { size: view.getUint32(at + 12), count: 1 });
    else known.count++;
  }
};
