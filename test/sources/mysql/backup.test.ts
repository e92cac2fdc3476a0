import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { redact } from '../../../src/sources/mysql/address.ts';
import { readTables } from '../../../src/sources/mysql/catalog.ts';
import { withConnection } from '../../../src/sources/mysql/connect.ts';
import { loadRows } from '../../../src/sources/mysql/load-rows.ts';
import { mysqlSource } from '../../../src/sources/mysql/source.ts';
import { forever } from '../../support/collected.ts';
import { freshSchema, type MariadbServer, mariadbMissing, sql, startMariadb } from '../../support/mariadb.ts';
import { EVERYTHING } from './fixtures.ts';
import { addressOf, audit, type Backup, backUp, restore, runStage, services, targetOf } from './harness.ts';
import { loadArtifactFrom } from './load.ts';

const run = promisify(execFile);
const missing = mariadbMissing();

describe.skipIf(missing !== undefined)(`MySQL kind on a real MariaDB${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let server: MariadbServer;
  let source: string;
  let backup: Backup;

  const database = async (prefix = 'test'): Promise<string> => (await freshSchema(server, prefix)).url;
  const everything = async (): Promise<string> => {
    const url = await database('all');
    await sql(url, EVERYTHING);
    return url;
  };
  const client = (url: string): string[] => ['--no-defaults', '-h127.0.0.1', `-P${server.port}`, '-uroot', new URL(url).pathname.slice(1)];
  const schemaOf = async (url: string): Promise<string> => {
    const options = [
      '--no-defaults',
      '-h127.0.0.1',
      `-P${server.port}`,
      '-uroot',
      '--no-data',
      '--routines',
      '--events',
      '--skip-comments',
      '--ignore-table',
      `${new URL(url).pathname.slice(1)}.lifeboat_restore`,
    ];
    const { stdout } = await run('mariadb-dump', [...options, new URL(url).pathname.slice(1)], { maxBuffer: 1e8 });
    return stdout
      .replaceAll(new URL(url).pathname.slice(1), 'db')
      .split('\n')
      .filter((line) => !/SETVAL|character_set_(client|results)|^DROP TABLE.*lifeboat/.test(line))
      .join('\n');
  };
  const checksums = async (url: string): Promise<string[]> => {
    const tables = await sql(
      url,
      "SELECT table_name AS n FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND table_name <> 'lifeboat_restore' ORDER BY 1",
    );
    const list = tables.map(({ n }) => `\`${String(n).replaceAll('`', '``')}\``).join(', ');
    return (await sql(url, `CHECKSUM TABLE ${list}`)).map((row) => String(row['Checksum']));
  };

  beforeAll(async () => {
    server = await startMariadb();
    source = await everything();
    backup = await backUp(source, { lanes: 3, chunkBytes: 100_000 });
  }, 60_000);
  afterAll(() => server?.stop());

  it('reads with three lanes at one instant, each chunk once', () => {
    expect(backup.tasks).toHaveLength(3);
    const lanes = backup.receipts.map((receipt) => (receipt.facts as { chunks: number[] }).chunks);
    const chunks = lanes.flat().sort((a, b) => a - b);
    expect(chunks).toEqual(chunks.map((_, i) => i));
    expect(chunks.length).toBeGreaterThan(5);
    expect(backup.manifest.pointInTime).toMatchObject({ consistency: 'snapshot', token: { way: 'lock-tables', lanes: 3 } });
  });

  it('gives the same digests with one lane and other chunks', async () => {
    const other = await backUp(source, { lanes: 1 });
    expect(other.tasks).toHaveLength(1);
    expect(other.manifest.digests).toEqual(backup.manifest.digests);
  });

  it('restores every type, table and object exactly', async () => {
    const target = await database('restored');
    await restore(target, backup);
    expect(await checksums(target)).toEqual(await checksums(source));
    expect(await schemaOf(target)).toBe(await schemaOf(source));
    const { failed, checks } = await audit(target, backup);
    expect(failed).toEqual([]);
    expect(checks.length).toBeGreaterThan(5);
    expect(checks.filter((check) => !check.ok)).toEqual([]);
    const [float] = await sql(target, 'SELECT f + 0e0 AS f FROM types WHERE id = 7');
    expect(String(float?.['f'])).toBe('3.1415927410125732');
    expect(await sql(target, 'SELECT d = 0 AS zero, concat(d) AS text FROM signed_zero WHERE id = 1')).toEqual(
      await sql(source, 'SELECT d = 0 AS zero, concat(d) AS text FROM signed_zero WHERE id = 1'),
    );
    expect(await sql(target, "SHOW TABLES LIKE 'lifeboat_restore'")).toEqual([]);
  });

  it.each([
    ['LOAD DATA where the server takes it', 1],
    ['INSERT where it does not', 0],
  ])('brings rows in by %s', async (_way, local) => {
    const loads = async (): Promise<number> => Number((await sql(server.url, "SHOW GLOBAL STATUS LIKE 'Com_load'"))[0]?.['Value']);
    await sql(server.url, `SET GLOBAL local_infile = ${local}`);
    try {
      const before = await loads();
      const target = await database('way');
      await restore(target, backup);
      expect((await loads()) - before > 0).toBe(local === 1);
      expect(await checksums(target)).toEqual(await checksums(source));
    } finally {
      await sql(server.url, 'SET GLOBAL local_infile = 1');
    }
  });

  it('goes on by INSERT when LOAD DATA is refused after all', async () => {
    const target = await database('refused');
    await restore(target, backup, { only: ['prepare'] });
    const [segment] = backup.manifest.segments.filter(({ context }) => JSON.stringify(context).includes('"types"'));
    if (segment === undefined) throw new Error('no segment has the table');
    await sql(server.url, 'SET GLOBAL local_infile = 0');
    try {
      await withConnection(
        addressOf(target),
        services,
        async (connection) => {
          const load = { connection, tables: await readTables(connection), fast: true, doing: 'loading', progress: () => {} };
          expect(await loadRows(load, backup.read.read(segment))).toBeGreaterThan(2);
        },
        { target: true, loads: true },
      );
    } finally {
      await sql(server.url, 'SET GLOBAL local_infile = 1');
    }
    expect(await sql(target, 'SELECT count(*) AS n FROM types')).toEqual([{ n: '3' }]);
  });

  it('brings back tables and columns with newlines in their names', async () => {
    const url = await database('lines');
    await sql(
      url,
      "CREATE TABLE `two\nlines` (`a;\nb` int PRIMARY KEY, t text); INSERT INTO `two\nlines` VALUES (1, ';\n(2,''x''),\n'), (0, '')",
    );
    const target = await database('lines');
    const whole = await backUp(url);
    await restore(target, whole);
    expect((await audit(target, whole)).failed).toEqual([]);
    expect(await checksums(target)).toEqual(await checksums(url));
  });

  it('is a script that the stock client loads whole', async () => {
    const target = await database('stock');
    await loadArtifactFrom(backup.script, 'mariadb', [
      '--binary-mode',
      '--comments',
      '--default-character-set=utf8mb4',
      ...client(target).slice(1),
    ]);
    expect(await checksums(target)).toEqual(await checksums(source));
    expect(await schemaOf(target)).toBe(await schemaOf(source));
    expect(await sql(target, "SELECT item FROM lifeboat_restore WHERE item = 'complete'")).toHaveLength(1);
  });

  it('fails in the stock client, by the name of the table, when rows are missing', async () => {
    const target = await database('short');
    const cut = Buffer.from(backup.script.toString('latin1').replace(/\(1,'a'\),\n/, ''), 'latin1');
    expect(cut.length).toBe(backup.script.length - 9);
    await expect(loadArtifactFrom(cut, 'mariadb', ['--binary-mode', ...client(target).slice(1)])).rejects.toThrow(/not 3 rows in keyless/);
    expect(await sql(target, "SELECT item FROM lifeboat_restore WHERE item = 'complete'")).toHaveLength(0);
  });

  it('loads a file over one connection, and keeps nothing of a cut one', async () => {
    const target = await database('direct');
    const options = { overwrite: false, signal: forever.signal, progress: () => {} };
    const stream = async function* (bytes: Buffer) {
      for (let at = 0; at < bytes.length; at += 10_007) yield bytes.subarray(at, at + 10_007);
    };
    for (const end of [backup.script.length - 200, Math.floor(backup.script.length / 2), 3_000]) {
      await expect(targetOf(target).loadArtifact(stream(backup.script.subarray(0, end)), options)).rejects.toMatchObject({
        code: 'ArtifactInvalid',
      });
      expect((await targetOf(target).inspect()).empty).toBe(true);
    }
    const loaded = await targetOf(target).loadArtifact(stream(backup.script), options);
    expect(Number(loaded.rows)).toBe(
      backup.manifest.digests.filter(({ name }) => !name.endsWith('(generated)')).reduce((sum, { rows }) => sum + Number(rows), 0),
    );
    expect(await checksums(target)).toEqual(await checksums(source));
    await expect(targetOf(target).loadArtifact(stream(backup.script), options)).rejects.toMatchObject({ code: 'TargetNotEmpty' });
  });

  it('loads what mysqldump writes', async () => {
    const target = await database('dumped');
    const { stdout } = await run(
      'mariadb-dump',
      [...client(source).slice(0, -1), '--routines', '--triggers', '--hex-blob', client(source).at(-1) ?? ''],
      { maxBuffer: 1e8, encoding: 'buffer' },
    );
    await targetOf(target).loadArtifact(
      (async function* () {
        yield stdout;
      })(),
      { overwrite: false, signal: forever.signal, progress: () => {} },
    );
    expect(await sql(target, 'SELECT count(*) AS n FROM many')).toEqual([{ n: '6000' }]);
  });

  it('damages a scratch copy on exactly the classes that it names', { timeout: 120_000 }, async () => {
    for (const seed of [1, 2, 3, 4]) {
      const target = await database('lifeboat_drill_x');
      await restore(target, backup);
      const tampering = await targetOf(target).tamper(backup.manifest, seed, forever);
      expect((await audit(target, backup)).failed).toEqual(tampering.classes);
      expect(tampering.what.length).toBe(2);
      // Again is the same, not the way back.
      expect(await targetOf(target).tamper(backup.manifest, seed, forever)).toEqual(tampering);
      await runStage(targetOf(target).discard, backup);
      await expect(sql(target, 'SELECT 1')).rejects.toThrow(/Unknown database/);
      await runStage(targetOf(target).discard, backup);
    }
  });

  it('makes scratch databases with events that do nothing, and refuses to damage or drop others', async () => {
    const scratch = `${server.url}/lifeboat_drill_made`;
    await restore(scratch, backup, { scratch: true });
    expect(await sql(scratch, 'SELECT status FROM information_schema.events WHERE event_schema = DATABASE()')).toEqual([
      { status: 'DISABLED' },
    ]);
    await runStage(targetOf(scratch).discard, backup);
    await expect(runStage(targetOf(source).discard, backup)).rejects.toMatchObject({ code: 'TargetUnusable' });
    await expect(targetOf(source).tamper(backup.manifest, 1, forever)).rejects.toMatchObject({ code: 'TargetUnusable' });
  });

  it('goes on with its own restore, and refuses another, a full target, and the source', async () => {
    const target = await database('again');
    await restore(target, backup, { only: ['prepare'] });
    await restore(target, backup, { only: ['prepare', 'load'] });
    await expect(restore(target, backup, { restore: 'arn:other', only: ['prepare'] })).rejects.toMatchObject({ code: 'TargetUnusable' });
    // A second load of all segments doubles nothing.
    await restore(target, backup);
    expect(await checksums(target)).toEqual(await checksums(source));
    await expect(restore(target, backup, { restore: 'arn:other' })).rejects.toMatchObject({ code: 'TargetNotEmpty' });
    await restore(target, backup, { restore: 'arn:other', overwrite: true });
    expect(await checksums(target)).toEqual(await checksums(source));
    await expect(restore(source, backup)).rejects.toMatchObject({ code: 'TargetIsSource' });
    await expect(restore(source, backup, { overwrite: true })).rejects.toMatchObject({ code: 'TargetIsSource' });
  });

  it('shows a marked database as unfinished', async () => {
    const target = await database('half');
    await restore(target, backup, { only: ['prepare'] });
    expect(await targetOf(target).inspect()).toMatchObject({ unfinished: 'arn:restore-1', empty: false });
    expect((await mysqlSource(addressOf(target), services).inspect()).problems).toMatchObject([{ code: 'UnfinishedRestore' }]);
  });

  it('inspects: product, place by server, problems by name', async () => {
    const facts = await mysqlSource(addressOf(source), services).inspect();
    expect(facts).toMatchObject({ product: 'MariaDB', problems: [] });
    expect(facts.version).toMatch(/^1\d\.\d+\.\d+$/);
    const otherName = source.replace('127.0.0.1', 'localhost');
    expect((await mysqlSource(addressOf(otherName), services).inspect()).place).toBe(facts.place);
    const url = await database('bad');
    await sql(url, 'CREATE TABLE old (a int) ENGINE=MyISAM; CREATE TABLE history (a int) WITH SYSTEM VERSIONING');
    const { problems } = await mysqlSource(addressOf(url), services).inspect();
    expect(problems.map(({ code, message }) => `${code}: ${message}`)).toEqual([
      expect.stringMatching(/^EngineUnsupported: .*old \(MyISAM\)/),
      expect.stringMatching(/^SystemVersioned: .*history/),
    ]);
  });

  it('names what a login or a privilege lacks, and never says the password', async () => {
    const name = new URL(source).pathname.slice(1);
    await sql(server.url, `CREATE USER poor@'127.0.0.1' IDENTIFIED BY 'hunter2'; GRANT SELECT ON \`${name}\`.* TO poor@'127.0.0.1'`);
    const poor = source.replace('root@', 'poor:hunter2@');
    const { problems } = await mysqlSource(addressOf(poor), services).inspect();
    expect(problems).toMatchObject([
      { code: 'PermissionDenied', message: expect.stringContaining('SHOW VIEW, TRIGGER, EVENT, LOCK TABLES') },
    ]);
    const wrong = await mysqlSource(addressOf(poor.replace('hunter2', 'hunter3')), services)
      .inspect()
      .catch((error: unknown) => error);
    expect(wrong).toMatchObject({ code: 'LoginFailed' });
    expect(JSON.stringify(wrong) + String(wrong)).not.toContain('hunter3');
    expect(redact(addressOf(poor))).not.toContain('hunter');
    await expect(mysqlSource(addressOf(`${server.url}/nowhere`), services).inspect()).rejects.toMatchObject({ code: 'NoSuchDatabase' });
    await expect(mysqlSource(addressOf('mysql://root@127.0.0.1:1/x'), services).inspect()).rejects.toMatchObject({
      code: 'ConnectionRefused',
    });
    await sql(
      server.url,
      `GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES ON \`${name}\`.* TO poor@'127.0.0.1'; GRANT SELECT ON mysql.proc TO poor@'127.0.0.1'`,
    );
    expect((await backUp(poor, { lanes: 2 })).manifest.digests).toEqual(backup.manifest.digests);
  });

  it('leaves out definers that a restoring user may not give', async () => {
    const target = await database('own');
    const name = new URL(target).pathname.slice(1);
    await sql(server.url, `CREATE USER owner@'127.0.0.1'; GRANT ALL ON \`${name}\`.* TO owner@'127.0.0.1'`);
    await restore(target.replace('root@', 'owner@'), backup);
    expect((await audit(target, backup)).failed).toEqual([]);
    expect(await sql(target, 'SELECT definer FROM information_schema.views WHERE table_schema = DATABASE() LIMIT 1')).toEqual([
      { definer: 'owner@127.0.0.1' },
    ]);
  });

  it('fails a damaged segment before it commits anything of it', async () => {
    const target = await database('damaged');
    const rows = backup.manifest.segments.find((segment) => JSON.stringify(segment.context).includes('"many"'));
    const read = {
      async *read(segment: Parameters<Backup['read']['read']>[0]) {
        yield* backup.read.read(segment);
        if (segment.ordinal === rows?.ordinal) throw new Error('the bytes are not those that were written');
      },
    };
    await expect(restore(target, backup, { read })).rejects.toThrow(/not those/);
    expect(await sql(target, `SELECT count(*) AS n FROM lifeboat_restore WHERE item = 'load/${rows?.ordinal}'`)).toEqual([{ n: '0' }]);
    // The same restore goes on once the segment can be read.
    await restore(target, backup);
    expect((await audit(target, backup)).failed).toEqual([]);
  });

  it('is restored by the commands of its guide', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lifeboat-guide-'));
    const target = new URL(await database('guide')).pathname.slice(1);
    const { conclusion } = backup;
    const [, commands = ''] = /```sh\n([\s\S]*?)```/.exec(conclusion.guide) ?? [];
    const options = [`[client]`, `host=127.0.0.1`, `port=${server.port}`, 'user=root', ''].join('\n');
    writeFileSync(join(folder, '.my.cnf'), options);
    writeFileSync(join(folder, 'segment'), zstdCompressSync(backup.script));
    writeFileSync(join(folder, 'segments.txt'), 'segment\n');
    const script = commands.replaceAll(`${new URL(source).pathname.slice(1)}_restored`, `${target}_restored`);
    const { stdout } = await run('bash', ['-e', '-c', script], { cwd: folder, env: { ...process.env, HOME: folder } });
    expect(stdout).toMatch(/^\d+ rows\n$/);
    expect(await checksums(`${server.url}/${target}_restored`)).toEqual(await checksums(source));
    rmSync(folder, { recursive: true });
  });

  it('knows its file, and a cut one', async () => {
    const { artifactFile } = await import('../../../src/sources/mysql/artifact-file.ts');
    expect(artifactFile.recognises(backup.script.subarray(0, 4096))).toBe(true);
    expect(artifactFile.isWhole(backup.script.subarray(-4096))).toBe(true);
    expect(artifactFile.isWhole(backup.script.subarray(-4096, -3))).toBe(false);
    expect(artifactFile.recognises(Buffer.from('-- PostgreSQL database dump'))).toBe(false);
  });
});
