import { copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commands } from '../../src/cli/commands.ts';
import type { Engine } from '../../src/cli/engine.ts';
import { exitCodeOf } from '../../src/errors.ts';
import { dumpOf } from '../support/meilisearch-dumps.ts';
import { ID, lifeboat, NOW, proof, putBackup, putProof, storeIn, temporaryFolder } from './support.ts';

const facts = { product: 'PostgreSQL', version: '18.4', place: 'p', content: 'c', bytes: 1, problems: [] };

const engine: Partial<Engine> = {
  backup: async ({ source }) => ({ source, backup: ID, already: false, execution: 'arn:1' }),
  restore: async ({ source }) => ({ source, backup: ID, target: 't', execution: 'arn:2', seconds: 1, checks: [] }),
  drill: async () => ({ proof: proof('PASSED'), keys: { json: 'a.json', html: 'a.html' } }),
  dump: async () => ({
    format: 'f',
    pointInTime: { consistency: 'snapshot', at: NOW.toISOString(), token: null },
    rows: '1',
    bytes: 1,
    rawBytes: 1,
    segments: 1,
    notIncluded: {},
    needs: null,
  }),
  load: async () => ({ rows: '1', bytes: 1, checks: [] }),
  plan: async ({ source }) => ({ source, facts, stage: 'dump', mode: 'independent', tasks: 1 }),
  inspect: async () => facts,
  prune: async ({ source, apply }) => ({ source, applied: apply, keep: [], remove: [] }),
  executions: async () => [],
  logs: async function* () {},
};

let folder: string;
let page: string;
let at: readonly string[];
let env: readonly string[];

beforeAll(async () => {
  folder = await temporaryFolder();
  page = await readFile(new URL('../../docs/cli-json.md', import.meta.url), 'utf8');
  const store = await storeIn(join(folder, 'store'));
  await putBackup(store);
  await putProof(store, proof('PASSED'));
  at = ['--store', pathToFileURL(join(folder, 'store')).href];
  await writeFile(join(folder, 'in.sql'), '\\set ON_ERROR_STOP on\nBEGIN;\nCOMMIT;\n');
  await copyFile(new URL('../fixtures/juicefs/state/sqlite.db', import.meta.url), join(folder, 'volume.db'));
  await writeFile(join(folder, 'old.dump'), await dumpOf(5));
  const catalog = { kind: 'postgres', host: 'h', database: 'd', user: 'u', retention: { last: 1 } };
  await writeFile(join(folder, 'env.json'), JSON.stringify({ store: at[1], sources: { catalog } }));
  env = ['--env', './env.json'];
});
afterAll(() => rm(folder, { recursive: true }));

/** Fields that the tables of a section name, in backquotes, in their first column. */
const fieldsOf = (heading: string): string[] => {
  const section = page.split(/^(?=## |\*\*Backup\*\*)/m).find((text) => text.startsWith(heading)) ?? '';
  return section
    .split('\n')
    .flatMap((line) => [...(/^\| (`[^|]*)\|/.exec(line)?.[1] ?? '').matchAll(/`([a-zA-Z0-9]+)`/g)].map((match) => match[1] ?? ''));
};

describe('docs/cli-json.md', () => {
  const BACKUP = '**Backup**';
  const FILE_ONLY = ['format', 'encoding', 'sha256', 'contents', 'warnings'];
  const cases: readonly [name: string, argv: () => readonly string[], also: string | undefined, but: readonly string[]][] = [
    ['backup', () => ['--from', 'postgres://h/d', '--source', 'catalog', ...at], BACKUP, []],
    ['list', () => at, undefined, []],
    ['show', () => [ID, ...at], BACKUP, []],
    ['verify', () => [ID, ...at], undefined, [...FILE_ONLY, 'checks']],
    ['verify', () => ['in.sql'], undefined, ['segments', 'damages', 'extra', 'extraCount', 'pool', 'notMeasured']],
    ['inspect', () => [ID, ...at], undefined, [...FILE_ONLY, 'bytes', 'rawBytes']],
    ['inspect', () => ['in.sql'], undefined, ['classes', 'segments']],
    ['diff', () => [ID, ID, ...at], undefined, []],
    ['restore', () => [ID, '--to', 'postgres://h/d', ...at], undefined, []],
    ['drill', () => ['catalog', ...at], undefined, []],
    ['report', () => at, undefined, []],
    ['dump', () => ['postgres://h/d', '--out', 'out.sql'], undefined, []],
    ['load', () => ['postgres://h/d', 'in.sql'], undefined, []],
    ['migrate', () => [`juicefs+sqlite3://${folder}/volume.db`, `juicefs+sqlite3://${folder}/copy.db`], undefined, []],
    ['upgrade', () => ['old.dump', '--out', 'new.dump'], undefined, []],
    ['plan', () => ['catalog', ...env], undefined, []],
    ['doctor', () => env, undefined, []],
    ['init', () => ['--env', 'fresh'], undefined, []],
    ['prune', () => env, undefined, []],
    ['executions', () => at, undefined, []],
    ['logs', () => at, undefined, []],
  ];

  it('has a case here for every command', () => {
    expect([...new Set(cases.map(([name]) => name))].sort()).toEqual(commands.map((command) => command.name).sort());
  });

  it.each(cases)('names exactly the fields that %s prints', async (name, argv, also, but) => {
    const documented = [...fieldsOf(`## ${name}\n`), ...(also === undefined ? [] : fieldsOf(also))].filter((field) => !but.includes(field));
    const { code, json } = await lifeboat([name, ...argv(), '--json', '--progress', 'none'], { cwd: folder, engine });
    const document = json();
    expect({ document, code }).toMatchObject({ code: 0 });
    expect(Object.keys(document).sort()).toEqual(documented.sort());
    expect(JSON.stringify(document)).not.toContain('undefined');
  });

  it('lists exactly the exit codes that there are', async () => {
    const source = await readFile(new URL('../../src/errors.ts', import.meta.url), 'utf8');
    const used = [...source.matchAll(/^ {2}(\w+): \{ exit/gm)].map((match) => String(exitCodeOf(match[1] ?? '')));
    const listed = [...page.matchAll(/^\| (\d+) \|/gm)].map((match) => match[1] ?? '');
    expect(listed.filter((code) => code !== '0').sort()).toEqual([...new Set(used)].sort());
  });

  it('has the shape of a failure', async () => {
    const { code, json } = await lifeboat(['show', '20200101T000000Z-0000', '--json', ...at]);
    expect({ code, fields: Object.keys(json()), documented: fieldsOf('## Failure') }).toEqual({
      code: 10,
      fields: ['error'],
      documented: ['error'],
    });
  });
});
