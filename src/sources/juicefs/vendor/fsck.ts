import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { AuditFacts, Services, TaskContext } from '../../contract.ts';
import { type JuicefsAddress, pathOf, tablePrefixOf } from '../address.ts';
import { integer, type SqlSession, string } from '../engines/sql.ts';
import { sqlChunkSlices } from '../engines/sql-slices.ts';
import { openSqlite, removeSqlite } from '../engines/sqlite.ts';
import { parseSetting, settingForDump, storedSetting } from '../format/setting.ts';
import { metaUrlOf } from '../meta-url.ts';
import { startJuicefs } from './binary.ts';

const WHAT = 'blocks as juicefs fsck counts them';
/** fsck looks for one block after the other, and tells of each that is missing: of a larger volume it is given a sample of the chunks. */
export const FSCK_BLOCKS_MAX = 50_000n;
const LOST = /(\d+) objects are lost \((\d+) bytes\)/;
/** Where a block ends unless the setting says otherwise, in KiB. */
const BLOCK_KIB = 4096;

/**
 * Lets `juicefs fsck` read a copy of a restored SQLite engine. The copy has another name and an empty folder for a bucket, so nothing
 * can reach that of the volume: fsck must then miss exactly those blocks that the restored references make.
 */
export const countByFsck = async (
  address: JuicefsAddress,
  services: Services,
  context: TaskContext,
  blocksMax = FSCK_BLOCKS_MAX,
): Promise<AuditFacts> => {
  const unknown = (why: string): AuditFacts => ({ checks: [], notMeasured: [{ what: WHAT, why }] });
  const root = join(services.temporary, `lifeboat-fsck-${randomBytes(6).toString('hex')}`);
  const path = join(root, 'meta.db');
  mkdirSync(join(root, 'bucket'), { recursive: true });
  try {
    const needed = statSync(pathOf(address, services.temporary)).size;
    const { bavail, bsize } = statfsSync(root);
    if (bavail * bsize < needed) return unknown(`a copy for it needs ${needed} bytes, and ${services.temporary} has ${bavail * bsize}`);
    const made = await copyVolume(address, services, { path, bucket: `${join(root, 'bucket')}/`, blocksMax });
    const shown = (blocks: bigint | string, bytes: bigint | string): string => `${blocks} blocks, ${bytes} bytes${made.sample}`;
    const expected = shown(made.blocks, made.bytes);
    const { stdout, stderr, failure } = startJuicefs(['fsck', metaUrlOf({ ...address, path }, services)], {}, services, context);
    stdout.resume();
    let lost: string | undefined;
    // A line for each block that is missing: only the last word counts.
    for await (const line of createInterface({ input: stderr })) {
      const [, blocks, bytes] = LOST.exec(line) ?? [];
      if (blocks !== undefined && bytes !== undefined) lost = shown(blocks, bytes);
    }
    const why = await failure;
    context.budget.signal.throwIfAborted();
    const actual = lost ?? (why === undefined ? shown('0', '0') : undefined);
    if (actual === undefined) return unknown(`juicefs fsck: ${why}`);
    return { checks: [{ name: WHAT, expected, actual, ok: expected === actual }] };
  } finally {
    removeSqlite(path);
    rmSync(root, { recursive: true, force: true });
  }
};

interface Made {
  readonly blocks: bigint;
  readonly bytes: bigint;
  /** What they are of; nothing for all of the volume. */
  readonly sample: string;
}

/** Answers what the references of the copy make, each of which counts; of a sample, what its chunks name. */
const copyVolume = async (
  address: JuicefsAddress,
  services: Services,
  to: { readonly path: string; readonly bucket: string; readonly blocksMax: bigint },
): Promise<Made> => {
  const prefix = tablePrefixOf(address);
  const from = openSqlite({ path: pathOf(address, services.temporary), prefix });
  try {
    await from.run(`VACUUM INTO ${from.dialect.text(to.path)}`, 'copying what was restored');
  } finally {
    await from.close();
  }
  const copy = openSqlite({ path: to.path, prefix });
  try {
    const { dialect } = copy;
    const where = `${dialect.table('setting')} WHERE ${dialect.column('name')} = 'format'`;
    const [row] = await copy.rows(`SELECT ${dialect.column('value')} FROM ${where}`, 'reading the setting');
    const setting = parseSetting(string(row?.[0]));
    const { BlockSize: size } = setting.value;
    const {
      EncryptKey: _key,
      AccessKey: _access,
      SecretKey: _secret,
      SessionToken: _token,
      Shards: _shards,
      ...kept
    } = settingForDump(setting, true);
    const rewritten = storedSetting({ ...kept, Name: 'lifeboat-drill', Storage: 'file', Bucket: to.bucket });
    await copy.run(
      `UPDATE ${dialect.table('setting')} SET ${dialect.column('value')} = ${dialect.text(rewritten)} WHERE ${dialect.column('name')} = 'format'`,
      'rewriting the setting',
    );
    const block = (typeof size === 'number' && size > 0 ? size : BLOCK_KIB) * 1024;
    const [sums] = await copy.rows(
      `SELECT COALESCE(SUM(refs * ((size + ${block - 1}) / ${block})), 0), COALESCE(SUM(refs * size), 0) FROM ${dialect.table('chunk_ref')}`,
      'counting blocks',
    );
    const all = { blocks: integer(sums?.[0]), bytes: integer(sums?.[1]), sample: '' };
    return all.blocks <= to.blocksMax ? all : await keepSample(copy, block, all.blocks, to.blocksMax);
  } finally {
    await copy.close();
  }
};

const HASH_BITS = 32n;

/** Leaves so many chunks in the copy as have about `most` blocks, spread over all of them by a hash of their number. */
const keepSample = async (copy: SqlSession, block: number, blocks: bigint, most: bigint): Promise<Made> => {
  const chunk = copy.dialect.table('chunk');
  const countRows = async (): Promise<bigint> => integer((await copy.rows(`SELECT COUNT(*) FROM ${chunk}`, 'counting chunks'))[0]?.[0]);
  const before = await countRows();
  const limit = (most << HASH_BITS) / blocks;
  await copy.run(`DELETE FROM ${chunk} WHERE (id * 2654435761) & ${(1n << HASH_BITS) - 1n} >= ${limit}`, 'choosing chunks');
  let made = { blocks: 0n, bytes: 0n };
  for await (const pages of sqlChunkSlices(copy))
    for (const { size } of pages) made = { blocks: made.blocks + BigInt(Math.ceil(size / block)), bytes: made.bytes + BigInt(size) };
  return { ...made, sample: ` of ${await countRows()} of ${before} chunks` };
};
