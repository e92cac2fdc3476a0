import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { backupPrefix, manifestKey, proofKey } from '../../src/backup/layout.ts';
import type { Verdict } from '../../src/backup/types.ts';
import type { Engine } from '../../src/cli/engine.ts';
import type { Store } from '../../src/stores/store.ts';
import { ID, LATER_ID, lifeboat, NOW, proof, putBackup, putProof, storeIn, temporaryFolder } from './support.ts';

let folder: string;
let store: Store;
let at: readonly [string, string];

beforeAll(async () => {
  folder = await temporaryFolder();
  store = await storeIn(join(folder, 'store'));
  at = ['--store', pathToFileURL(join(folder, 'store')).href];
  await putBackup(store, { backup: ID });
  await putProof(store, proof('PASSED'));
  await putBackup(store, { backup: LATER_ID, rows: 1240, at: '2026-11-21T01:30:00.000Z' });
  await putBackup(store, { source: 'other', backup: ID, at: '2026-11-20T01:30:00.000Z' });
});
afterAll(() => rm(folder, { recursive: true }));

describe('list', () => {
  it('is a table, newest last, with what was proven', async () => {
    const { code, out, err } = await lifeboat(['list', 'catalog', ...at]);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out.split('\n').slice(0, 3)).toEqual([
      'BACKUP                 AGE           SOURCE   SIZE   ROWS  CONSISTENCY  PROOF',
      expect.stringMatching(/^20261120T013000Z-4f2a {2}1 day ago {5}catalog +\d+ B {2}2,468 {2}snapshot {5}proven 8 hours ago$/),
      expect.stringMatching(/^20261121T013000Z-91bc {2}10 hours ago {2}catalog +\d+ B {2}2,480 {2}snapshot {5}never drilled$/),
    ]);
  });

  it('is one document with --json', async () => {
    const { json } = await lifeboat(['list', '--json', ...at]);
    expect(json()).toMatchObject({
      store: store.url,
      source: null,
      backups: [
        {
          source: 'catalog',
          backup: ID,
          state: 'sound',
          rows: '2468',
          segments: 3,
          proof: { state: 'PASSED', drill: '20261121T030000Z-91bc' },
        },
        { source: 'catalog', backup: LATER_ID, proof: { state: 'never', drill: null } },
        { source: 'other', backup: ID },
      ],
    });
  });

  it('has colours for a terminal only, and not with NO_COLOR', async () => {
    const terminal = { stdout: true };
    expect((await lifeboat(['list', ...at], { terminal })).out).toContain('\x1b[32mproven');
    expect((await lifeboat(['list', ...at], { terminal, env: { NO_COLOR: '1' } })).out).not.toContain('\x1b');
    expect((await lifeboat(['list', ...at])).out).not.toContain('\x1b');
  });

  it('knows a typo from an empty store and from no store', async () => {
    expect(await lifeboat(['list', 'catalgo', ...at])).toMatchObject({ code: 2, err: expect.stringContaining('Did you mean catalog?') });
    expect((await lifeboat(['list', '--store', pathToFileURL(join(folder, 'nowhere')).href])).code).toBe(10);
    expect(await lifeboat(['list', '--store', pathToFileURL(folder).href])).toMatchObject({
      code: 0,
      out: expect.stringContaining('no backups in'),
    });
  });

  it('refuses a store that a newer Lifeboat made', async () => {
    const newer = await storeIn(join(folder, 'newer'));
    await newer.create('lifeboat.json', Buffer.from('{"formatVersion": 99}'));
    expect(await lifeboat(['list', '--store', newer.url])).toMatchObject({ code: 1, err: expect.stringContaining('format version 99') });
  });

  it('shows a backup whose manifest is damaged as broken', async () => {
    const other = await storeIn(join(folder, 'broken'));
    await other.create(manifestKey('catalog', ID), Buffer.from('{}'));
    const flags = ['--store', other.url];
    expect((await lifeboat(['list', ...flags])).out).toMatch(/BROKEN {7}ManifestInvalid: /);
    expect((await lifeboat(['list', '--json', ...flags])).json()).toMatchObject({
      backups: [{ state: 'broken', problem: { code: 'ManifestInvalid' } }],
    });
    expect((await lifeboat(['show', ID, ...flags])).code).toBe(14);
  });
});

describe('show', () => {
  it('tells of one backup in a block', async () => {
    const { code, out } = await lifeboat(['show', 'latest', '--source', 'catalog', ...at]);
    expect(code).toBe(0);
    expect(out).toContain(`backup ${LATER_ID} of catalog\n    proof:          never drilled\n`);
    expect(out).toMatch(/ point in time: +2026-11-21T01:30:00\.000Z, 10 hours ago \(snapshot\)$/m);
    expect(out).toMatch(/ not included: +2 large objects$/m);
    expect(out).toMatch(/^ {4}openmetadata\.version +1\.13\.4$/m);
    expect(out).toMatch(/^ {4}public\.tag_usage +1,240 +[0-9a-f]{32}$/m);
  });

  it('says which source is needed, and which backup is not there', async () => {
    expect(await lifeboat(['show', 'latest', ...at])).toMatchObject({ code: 2, err: expect.stringContaining('catalog, other') });
    expect((await lifeboat(['show', '20200101T000000Z-0000', ...at])).code).toBe(10);
    expect((await lifeboat(['show', 'yesterday', ...at])).code).toBe(10);
    expect((await lifeboat(['show', ID, '--source', 'other', '--json', ...at])).json()).toMatchObject({
      source: 'other',
      classes: [{ rows: '1234' }, {}],
    });
  });
});

describe('inspect', () => {
  it('shows classes and segments, or those below a path', async () => {
    expect((await lifeboat(['inspect', LATER_ID, ...at])).out).toMatch(/^000001\.0000 {2}artifact +\d+ B/m);
    const { json } = await lifeboat(['inspect', LATER_ID, '--path', 'public.t1', '--json', ...at]);
    expect(json()).toMatchObject({ classes: [], segments: [{ ordinal: '000001.0000', context: { table: 'public.t1' } }] });
    expect((await lifeboat(['inspect', LATER_ID, '--path', 'nope', ...at])).code).toBe(10);
  });
});

describe('diff', () => {
  it('names the classes that differ', async () => {
    const { code, out, json } = await lifeboat(['diff', ID, 'latest', '--source', 'catalog', '--json', ...at]);
    expect(code).toBe(0);
    expect(out).not.toBe('');
    expect(json()).toMatchObject({
      before: ID,
      after: LATER_ID,
      equal: false,
      classes: [{ name: 'public.table_entity', change: 'content' }, {}],
    });
    expect((await lifeboat(['diff', ID, LATER_ID, '--source', 'catalog', ...at])).out).toMatch(
      /^public\.tag_usage +content +1,234 +1,240 +\d\/256$/m,
    );
    expect((await lifeboat(['diff', ID, ID, '--source', 'catalog', ...at])).out).toContain('equal content');
  });
});

describe('verify', () => {
  it('reads every byte and says so', async () => {
    const { code, out } = await lifeboat(['verify', LATER_ID, '--progress', 'none', ...at]);
    expect({ code, out }).toEqual({ code: 0, out: expect.stringMatching(/3 segments, \d+ B: every byte is as it was written/) });
  });

  it('names what is damaged, in both outputs, with exit code 14', async () => {
    const damaged = await storeIn(join(folder, 'damaged'));
    const { segments } = await putBackup(damaged);
    const path = join(folder, 'damaged', backupPrefix('catalog', ID), segments[1]?.key ?? '');
    await rm(path);
    const { code, json, err } = await lifeboat(['verify', 'latest', '--json', '--store', damaged.url]);
    expect(code).toBe(14);
    expect(json()).toMatchObject({ ok: false, damages: [{ kind: 'missing', ordinal: '000001.0000', key: segments[1]?.key }] });
    expect(err).toContain(`warning: ${segments[1]?.key}: missing`);
    expect((await lifeboat(['verify', 'latest', '--progress', 'none', '--store', damaged.url])).out).toContain('1 object damaged');
  });

  it('says what it could not ask about, with exit code 4', async () => {
    const store = await storeIn(join(folder, 'snapshots'));
    const arn = 'arn:aws:rds:eu-central-1:123456789012:snapshot:lifeboat-sea-x';
    const reference = {
      ...{ kind: 'rds-snapshot', formatVersion: 1, snapshot: 'lifeboat-sea-x', arn, region: 'eu-central-1', instance: 'sea' },
      ...{ engine: 'postgres', engineVersion: '18.4', database: null, user: 'postgres', createdAt: '2026-11-20T01:30:00.000Z' },
      ...{ kmsKey: null, copies: [], export: null },
    };
    await putBackup(store, { texts: ['{}'], reference });
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(name, 'test');
    vi.stubEnv('AWS_ENDPOINT_URL_STS', 'http://127.0.0.1:9');
    const { code, json } = await lifeboat(['verify', 'latest', '--json', '--store', store.url]);
    expect(code).toBe(4);
    expect(json()).toMatchObject({
      ok: true,
      damages: [],
      notMeasured: [{ what: `the snapshot ${arn}`, why: expect.stringContaining('ConnectionLost') }],
    });
    expect((await lifeboat(['verify', 'latest', '--progress', 'none', '--store', store.url])).out).toContain('NOT MEASURED: the snapshot');
    vi.unstubAllEnvs();
  });

  it('checks a file to its end', async () => {
    const whole = '\\set ON_ERROR_STOP on\nBEGIN;\nSELECT 1;\nCOMMIT;\n';
    await writeFile(join(folder, 'whole.sql'), whole);
    await writeFile(join(folder, 'cut.sql'), whole.slice(0, 40));
    await writeFile(join(folder, 'other.txt'), 'hello\n');
    await writeFile(join(folder, 'empty.sql'), '');
    const options = { cwd: folder };
    const { code, json } = await lifeboat(['verify', 'whole.sql', '--json', '--progress', 'none'], options);
    expect(code).toBe(0);
    expect(json()).toMatchObject({
      ok: true,
      file: 'whole.sql',
      format: 'PostgreSQL script',
      encoding: 'identity',
      rawBytes: whole.length,
    });
    expect(await lifeboat(['verify', 'cut.sql', '--progress', 'none'], options)).toMatchObject({
      code: 14,
      err: expect.stringContaining('cut.sql is cut'),
    });
    expect(await lifeboat(['verify', 'other.txt', '--progress', 'none'], options)).toMatchObject({ code: 14 });
    expect(await lifeboat(['verify', 'empty.sql'], options)).toMatchObject({
      code: 14,
      err: expect.stringContaining('empty.sql is empty'),
    });
    expect(await lifeboat(['verify', 'nowhere.sql'], options)).toMatchObject({ code: 10, err: expect.stringContaining('nowhere.sql') });
  });
});

describe('backup', () => {
  const backup: Engine['backup'] = async ({ source }) => ({ source, backup: ID, already: false, execution: 'arn:1' });

  it('names the source of --from and tells what was made', async () => {
    const { code, out } = await lifeboat(['backup', '--from', 'postgres://u@h/x', '--source', 'catalog', ...at], { engine: { backup } });
    expect({ code, out }).toEqual({
      code: 0,
      out: expect.stringMatching(/^backup 20261120T013000Z-4f2a of catalog: 2,468 rows, \d+ B in 3 segments, 4\.2 s\n$/),
    });
    let asked = '';
    await lifeboat(['backup', '--from', 'postgres://u@h/My_DB', ...at], {
      engine: {
        backup: async ({ source }) => {
          asked = source;
          return { source, backup: ID, already: true, execution: 'arn:1' };
        },
      },
    });
    expect(asked).toBe('postgres-my-db');
  });

  it('prints one document, and progress only on stderr', async () => {
    const ran = await lifeboat(['backup', '--from', 'postgres://u@h/x', '--source', 'catalog', '--json', '--progress', 'json', ...at], {
      engine: {
        backup: async (input, run) => {
          run.report({ type: 'planned', stage: 'dump', tasks: 3 });
          return backup(input, run);
        },
      },
    });
    expect(ran.json()).toMatchObject({ backup: ID, already: false, execution: 'arn:1', rows: '2468', seconds: 4.2 });
    expect(JSON.parse(ran.err)).toEqual({ time: NOW.toISOString(), type: 'planned', stage: 'dump', tasks: 3 });
  });
});

describe('restore', () => {
  const checks = [{ name: 'rows of t', expected: '2', actual: '1', ok: false, class: 't' }];
  const restored = (given: typeof checks): Partial<Engine> => ({
    restore: async (input) => ({ ...input, target: 'postgres://spare/db', execution: 'arn:2', seconds: 252, checks: given }),
  });

  it('never has a default target', async () => {
    expect(await lifeboat(['restore', LATER_ID, ...at])).toMatchObject({
      code: 2,
      err: expect.stringContaining('no target for a restore of catalog'),
    });
  });

  it('hands the backup, the target and the flags on', async () => {
    let asked: unknown;
    const engine: Partial<Engine> = {
      restore: async (input) => {
        asked = input;
        return { source: 'catalog', backup: LATER_ID, target: 'postgres://spare/db', execution: 'arn:2', seconds: 252, checks: [] };
      },
    };
    const argv = [
      'restore',
      'latest',
      '--source',
      'catalog',
      '--to',
      'postgres://u:hunter2@spare/db',
      '--overwrite',
      '--only',
      'audit',
      ...at,
    ];
    const { code, out } = await lifeboat(argv, { engine });
    expect(asked).toEqual({ source: 'catalog', backup: LATER_ID, target: 'to', overwrite: true, only: 'audit' });
    expect({ code, out }).toEqual({
      code: 0,
      out: `backup ${LATER_ID} of catalog compared with postgres://spare/db in 4 min 12 s: nothing was compared\n`,
    });
  });

  it('ends with 14 when what was restored is not what was backed up', async () => {
    const argv = ['restore', LATER_ID, '--to', 'postgres://spare/db', ...at];
    const { code, out } = await lifeboat(argv, { engine: restored(checks) });
    expect({ code, out }).toEqual({ code: 14, out: expect.stringContaining('1 of 1 check failed\n    rows of t: expected 2, found 1') });
    expect((await lifeboat([...argv, '--json'], { engine: restored(checks) })).json()).toMatchObject({ ok: false, checks });
  });
});

describe('drill', () => {
  const drilled = (verdict: Verdict): Partial<Engine> => ({
    drill: async () => ({ proof: proof(verdict), keys: { json: 'catalog/proofs/p.json', html: 'catalog/proofs/p.html' } }),
  });

  it.each<[Verdict, number, string]>([
    ['PASSED', 0, 'PASSED'],
    ['FAILED', 3, 'FAILED'],
    ['NOT_MEASURED', 4, 'NOT MEASURED'],
  ])('%s ends with %i', async (verdict, code, words) => {
    const argv = ['drill', 'catalog', '--scratch', 'postgres://scratch', ...at];
    const ran = await lifeboat(argv, { engine: drilled(verdict) });
    expect(ran.code).toBe(code);
    expect(ran.out).toMatch(new RegExp(`^ {4}verdict: +${words}$`, 'm'));
    expect(ran.out).toContain(`${join(folder, 'store')}/catalog/proofs/p.html`);
    const json = await lifeboat([...argv, '--json'], { engine: drilled(verdict) });
    expect(json.code).toBe(code);
    expect(json.json()).toMatchObject({ verdict, source: 'catalog', record: `${join(folder, 'store')}/catalog/proofs/p.json` });
  });

  it('needs a source where there are more, a seed that is one, a backup that is there', async () => {
    expect((await lifeboat(['drill', ...at])).code).toBe(2);
    expect((await lifeboat(['drill', 'catalog', '--seed', 'x', ...at])).code).toBe(2);
    expect((await lifeboat(['drill', 'catalog', '--select', 'newest', ...at])).code).toBe(2);
    expect((await lifeboat(['drill', 'catalog', '--backup', '20200101T000000Z-0000', ...at])).code).toBe(10);
  });
});

describe('report', () => {
  it('finds the last drill, and opens it', async () => {
    const opened: string[] = [];
    const path = join(folder, 'store', proofKey('catalog', ID, '20261121T030000Z-91bc', 'html'));
    expect(await lifeboat(['report', '--open', ...at], { opened: (file) => opened.push(file) })).toMatchObject({
      code: 0,
      out: `${path}\n`,
    });
    expect(opened).toEqual([path]);
    expect(await lifeboat(['report', '--source', 'other', ...at])).toMatchObject({ code: 10, err: expect.stringContaining('was drilled') });
  });
});

describe('dump', () => {
  const dump: Engine['dump'] = async (_, out) => {
    await new Promise((done) => out.write('artifact', done));
    return {
      format: 'PostgreSQL script',
      pointInTime: { consistency: 'snapshot', at: NOW.toISOString(), token: null },
      rows: '2',
      bytes: 8,
      rawBytes: 8,
      segments: 1,
      notIncluded: {},
      needs: null,
    };
  };

  it('writes a file that has its name once it is whole, and overwrites none', async () => {
    const out = join(folder, 'dumps', 'db.sql');
    const argv = ['dump', 'postgres://u:hunter2@h/db', '--out', out, '--json'];
    const { code, json } = await lifeboat(argv, { engine: { dump } });
    expect(code).toBe(0);
    expect(json()).toMatchObject({ source: 'postgres://u@h:5432/db', file: out, rows: '2' });
    expect(await readFile(out, 'utf8')).toBe('artifact');
    expect(await lifeboat(argv, { engine: { dump } })).toMatchObject({ code: 2, out: expect.stringContaining('there is a file') });
    await expect(stat(`${out}.partial`)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('leaves nothing when it fails', async () => {
    const out = join(folder, 'failed.sql');
    const failing: Engine['dump'] = async (_, stream) => {
      await new Promise((done) => stream.write('half', done));
      throw new Error('gone');
    };
    expect((await lifeboat(['dump', 'postgres://h/db', '--out', out], { engine: { dump: failing } })).code).toBe(1);
    await expect(stat(out)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(stat(`${out}.partial`)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('goes to a pipe with the summary on stderr, but not to a terminal, and not with --json', async () => {
    expect(await lifeboat(['dump', 'postgres://h/db'], { engine: { dump } })).toMatchObject({
      code: 0,
      out: 'artifact',
      err: expect.stringContaining('2 rows'),
    });
    expect((await lifeboat(['dump', 'postgres://h/db'], { terminal: { stdout: true } })).code).toBe(2);
    const { code, json } = await lifeboat(['dump', 'postgres://h/db', '--json']);
    expect(code).toBe(2);
    expect(json()).toMatchObject({ error: { code: 'Usage' } });
  });
});

describe('load', () => {
  const load: Engine['load'] = async (_, input, { overwrite }) => {
    const bytes = Buffer.concat(await Array.fromAsync(input)).length;
    return { rows: overwrite ? '1' : '0', bytes, checks: [] };
  };

  it('reads a file or a pipe', async () => {
    await writeFile(join(folder, 'in.sql'), 'twelve bytes');
    expect((await lifeboat(['load', 'postgres://h/db', 'in.sql', '--json'], { cwd: folder, engine: { load } })).json()).toMatchObject({
      bytes: 12,
      rows: '0',
      ok: true,
    });
    expect(
      (await lifeboat(['load', 'postgres://h/db', '-', '--overwrite', '--json'], { stdin: 'five!', engine: { load } })).json(),
    ).toMatchObject({ bytes: 5, rows: '1' });
  });

  it('refuses a file that is not there, a folder, a terminal', async () => {
    expect((await lifeboat(['load', 'postgres://h/db', 'nowhere.sql'], { cwd: folder })).code).toBe(2);
    expect((await lifeboat(['load', 'postgres://h/db', '.'], { cwd: folder })).code).toBe(2);
    expect((await lifeboat(['load', 'postgres://h/db', '-'], { terminal: { stdin: true } })).code).toBe(2);
  });
});

describe('init, doctor, prune, plan, executions, logs', () => {
  const facts = { product: 'PostgreSQL', version: '18.4', place: 'postgres://db/x', content: 'x', bytes: 5_000_000, problems: [] };

  it('init writes an environment without the password, and doctor finds it well', async () => {
    const cwd = join(folder, 'fresh');
    await (await import('node:fs/promises')).mkdir(cwd);
    const argv = ['init', '--env', 'prod', '--from', 'postgres://u:hunter2@h/db'];
    const { code, out } = await lifeboat(argv, { cwd });
    expect(code).toBe(0);
    expect(out).toContain('set POSTGRES_DB_PASSWORD where Lifeboat runs');
    const written = await readFile(join(cwd, 'environments', 'prod.json'), 'utf8');
    expect(written).not.toContain('hunter2');
    expect(JSON.parse(written)).toMatchObject({
      store: 'file://./.lifeboat',
      sources: { 'postgres-db': { password: 'env:POSTGRES_DB_PASSWORD', host: 'h' } },
    });
    expect(await lifeboat(argv, { cwd })).toMatchObject({ code: 2, err: expect.stringContaining('there is an environment') });

    const well = await lifeboat(['doctor', '--env', 'prod', '--json'], { cwd, engine: { inspect: async () => facts } });
    expect(well.json()).toMatchObject({
      environment: 'prod',
      ok: true,
      findings: [{ what: 'node' }, { what: 'store', ok: true }, { what: 'control', ok: true }, { what: 'source postgres-db' }],
    });
    expect(well.code).toBe(0);
    const problems = [{ code: 'rls', message: 'table t has row security', hint: 'Use a role with BYPASSRLS.' }];
    const ill = await lifeboat(['doctor', '--env', 'prod'], { cwd, engine: { inspect: async () => ({ ...facts, problems }) } });
    expect(ill).toMatchObject({
      code: 1,
      out: expect.stringContaining('problem  source postgres-db: rls: table t has row security\n         hint: Use a role'),
    });
  });

  it('prune says what it would do, and does it with --yes', async () => {
    const cwd = join(folder, 'fresh');
    await writeFile(
      join(cwd, 'environments', 'kept.json'),
      JSON.stringify({
        store: at[1],
        sources: {
          catalog: { kind: 'postgres', host: 'h', database: 'd', user: 'u', retention: { last: 1 } },
          other: { kind: 'postgres', host: 'h', database: 'e', user: 'u' },
        },
      }),
    );
    const asked: unknown[] = [];
    const prune: Engine['prune'] = async (input) => {
      asked.push(input);
      return { source: input.source, applied: input.apply, keep: [{ backup: LATER_ID, why: ['newest'] }], remove: [{ backup: ID }] };
    };
    const dry = await lifeboat(['prune', '--env', 'kept'], { cwd, engine: { prune } });
    expect(dry.out).toContain('catalog: 1 backup would be removed, 1 kept');
    expect(dry.out).toContain('--yes does it');
    expect((await lifeboat(['prune', 'catalog', '--yes', '--json', '--env', 'kept'], { cwd, engine: { prune } })).json()).toMatchObject({
      applied: true,
    });
    expect(asked).toEqual([
      { source: 'catalog', apply: false },
      { source: 'catalog', apply: true },
    ]);
    expect((await lifeboat(['prune', 'catalgo', '--env', 'kept'], { cwd })).code).toBe(2);

    const plan: Engine['plan'] = async ({ source }) => ({ source, facts, stage: 'dump', mode: 'independent', tasks: 12 });
    expect((await lifeboat(['plan', 'catalog', '--env', 'kept', '--json'], { cwd, engine: { plan } })).json()).toMatchObject({
      tasks: 12,
      estimate: { backup: LATER_ID, segments: 3 },
    });
    expect((await lifeboat(['plan', '--env', 'kept'], { cwd, engine: { plan } })).code).toBe(2);
  });

  it('executions and logs show what ran', async () => {
    const ran = [
      {
        execution: 'arn:1',
        machine: 'backup',
        status: 'FAILED' as const,
        startedAt: '2026-11-21T11:00:00Z',
        endedAt: '2026-11-21T11:04:12Z',
        error: 'InstantLost',
      },
    ];
    const engine: Partial<Engine> = {
      executions: async ({ limit }) => ran.slice(0, limit),
      logs: async function* () {
        yield { at: '2026-11-21T11:00:00Z', text: 'StartBackup' };
      },
    };
    expect((await lifeboat(['executions', ...at], { engine })).out).toMatch(
      /^arn:1 +backup +FAILED +1 hour ago +4 min 12 s +InstantLost$/m,
    );
    expect((await lifeboat(['executions', '--limit', '0', ...at], { engine })).code).toBe(2);
    expect((await lifeboat(['logs', 'arn:1', '--json', ...at], { engine })).json()).toEqual({
      lines: [{ at: '2026-11-21T11:00:00Z', text: 'StartBackup' }],
    });
  });
});
