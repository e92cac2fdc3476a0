import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { AuditFacts, Services, TaskContext } from '../../contract.ts';
import { type JuicefsAddress, pathOf, tablePrefixOf } from '../address.ts';
import { integer, string } from '../engines/sql.ts';
import { openSqlite, removeSqlite } from '../engines/sqlite.ts';
import { parseSetting, settingForDump, storedSetting } from '../format/setting.ts';
import { metaUrlOf } from '../meta-url.ts';
import { startJuicefs } from './binary.ts';

const WHAT = 'blocks as juicefs fsck counts them';
/** fsck looks for one block after the other, and tells of each that is missing; of a larger volume it is not asked. */
const BLOCKS_MAX = 50_000n;
const LOST = /(\d+) objects are lost \((\d+) bytes\)/;
/** Where a block ends unless the setting says otherwise, in KiB. */
const BLOCK_KIB = 4096;

/**
 * Lets `juicefs fsck` read a copy of a restored SQLite engine. The copy has another name and an empty folder for a bucket, so nothing
 * can reach that of the volume: fsck must then miss exactly those blocks that the restored references make.
 */
export const countByFsck = async (address: JuicefsAddress, services: Services, context: TaskContext): Promise<AuditFacts> => {
  const root = join(services.temporary, `lifeboat-fsck-${randomBytes(6).toString('hex')}`);
  const path = join(root, 'meta.db');
  mkdirSync(join(root, 'bucket'), { recursive: true });
  try {
    const made = await copyVolume(address, services, { path, bucket: `${join(root, 'bucket')}/` });
    if (made.blocks > BLOCKS_MAX) return { checks: [] };
    const expected = `${made.blocks} blocks, ${made.bytes} bytes`;
    const { stdout, stderr, failure } = startJuicefs(['fsck', metaUrlOf({ ...address, path }, services)], {}, services, context);
    stdout.resume();
    let lost: string | undefined;
    // A line for each block that is missing: only the last word counts.
    for await (const line of createInterface({ input: stderr })) {
      const [, blocks, bytes] = LOST.exec(line) ?? [];
      if (blocks !== undefined) lost = `${blocks} blocks, ${bytes} bytes`;
    }
    const why = await failure;
    context.budget.signal.throwIfAborted();
    const actual = lost ?? (why === undefined ? NOTHING : undefined);
    if (actual === undefined) return { checks: [], notMeasured: [{ what: WHAT, why: `juicefs fsck: ${why}` }] };
    return { checks: [{ name: WHAT, expected, actual, ok: expected === actual }] };
  } finally {
    removeSqlite(path);
    rmSync(root, { recursive: true, force: true });
  }
};

const NOTHING = '0 blocks, 0 bytes';

/** Answers what the references of the copy make: each of them counts. */
const copyVolume = async (
  address: JuicefsAddress,
  services: Services,
  to: { readonly path: string; readonly bucket: string },
): Promise<{ readonly blocks: bigint; readonly bytes: bigint }> => {
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
    return { blocks: integer(sums?.[0]), bytes: integer(sums?.[1]) };
  } finally {
    await copy.close();
  }
};
