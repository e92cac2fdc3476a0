import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { kinds } from '../src/sources/registry.ts';

const ROOT = resolve(import.meta.dirname, '..');

/** Lines of a file; what is longer does more than one thing. */
const FILE_MAX_LINES = 400;

/** The arrows of ARCHITECTURE.md: what the files of a room may import of the project, by the start of the path. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  'src/errors.ts': [],
  'src/json.ts': ['type src/backup/types.ts'],
  'src/backup/': ['src/backup/', 'src/errors.ts', 'type src/sources/contract.ts', 'type src/stores/store.ts'],
  'src/stores/': ['src/stores/', 'src/errors.ts', 'type src/backup/'],
  'src/sources/contract.ts': [
    'type src/backup/',
    'type src/sources/artifact-format.ts',
    'type src/sources/members.ts',
    'type src/sources/pool.ts',
  ],
  'src/sources/artifact-format.ts': ['type src/backup/'],
  'src/sources/members.ts': ['type src/sources/contract.ts'],
  'src/sources/pool.ts': ['type src/sources/contract.ts'],
  'src/sources/system.ts': ['type src/backup/', 'type src/sources/contract.ts', 'type src/sources/members.ts', 'src/environment/issues.ts'],
  'src/sources/login.ts': ['type src/sources/contract.ts'],
  'src/sources/engines.ts': [
    'src/sources/postgres/',
    'src/sources/mysql/',
    'type src/sources/rds/engine.ts',
    'type src/sources/juicefs/engines/lanes.ts',
  ],
  'src/sources/registry.ts': ['src/sources/', 'src/environment/redact.ts'],
  'src/sources/openmetadata/': ['src/sources/openmetadata/', 'src/sources/contract.ts', 'src/backup/'],
  'src/sources/juicefs/': ['src/sources/juicefs/', 'src/sources/contract.ts', 'type src/sources/artifact-format.ts', 'src/backup/'],
  'src/sources/lakefs/': ['src/sources/lakefs/', 'src/sources/contract.ts', 'type src/sources/pool.ts', 'src/backup/'],
  'src/sources/meilisearch/': [
    'src/sources/meilisearch/',
    'src/sources/contract.ts',
    'type src/sources/artifact-format.ts',
    'src/backup/',
    'src/environment/redact.ts',
  ],
  'src/sources/lending-socket.ts': [],
  'src/sources/mysql/': [
    'src/sources/mysql/',
    'src/sources/openmetadata/',
    'src/sources/contract.ts',
    'type src/sources/artifact-format.ts',
    'src/sources/lending-socket.ts',
    'src/sources/login.ts',
    'src/backup/',
  ],
  'src/sources/postgres/': [
    'src/sources/postgres/',
    'src/sources/openmetadata/',
    'src/sources/contract.ts',
    'type src/sources/artifact-format.ts',
    'src/sources/lending-socket.ts',
    'src/sources/login.ts',
    'src/backup/',
    'src/environment/redact.ts',
  ],
  'src/sources/rds/': ['src/sources/rds/', 'src/sources/contract.ts', 'src/backup/'],
  'src/restore/': ['src/restore/', 'src/backup/', 'src/drill/judge.ts', 'type src/sources/contract.ts'],
  'src/drill/': ['src/drill/', 'src/restore/', 'src/backup/', 'type src/sources/contract.ts', 'type src/stores/store.ts'],
  'src/environment/': ['src/environment/', 'src/backup/', 'src/drill/', 'src/restore/', 'src/sources/', 'src/stores/'],
  'src/machines/': [
    'src/machines/',
    'src/backup/',
    'src/restore/',
    'src/environment/',
    'src/sources/registry.ts',
    'type src/cli/engine.ts',
  ],
  'src/aws/': [
    'src/aws/',
    'src/machines/',
    'src/backup/',
    'src/environment/',
    'type src/cli/',
    'src/stores/s3-errors.ts',
    'src/stores/s3-client.ts',
  ],
  'src/local/': [
    'src/local/',
    'src/machines/',
    'src/backup/',
    'src/drill/',
    'src/restore/',
    'src/environment/',
    'src/sources/',
    'src/stores/',
    'src/cli/',
  ],
  'src/cli/': [
    'src/cli/',
    'src/backup/',
    'src/drill/',
    'src/environment/',
    'src/sources/',
    'src/stores/',
    'src/local/engine.ts',
    'src/aws/engine.ts',
  ],
  'functions/': [
    'functions/',
    'src/backup/',
    'src/drill/',
    'src/restore/',
    'src/environment/',
    'src/sources/contract.ts',
    'type src/stores/store.ts',
  ],
  'infra/': ['infra/', 'src/environment/', 'src/backup/', 'src/sources/'],
  'bench/': ['bench/', 'src/', 'test/support/'],
};

/** What every room may import. */
const LEAVES: readonly string[] = ['src/errors.ts', 'src/json.ts'];

/** JSON.parse makes another key of an escaped one at times: src/json.ts. Here nothing is taken from what is parsed. */
const NATIVE_PARSERS = /^(src\/json\.ts|src\/sources\/meilisearch\/dump\/check-documents\.ts|infra\/|bench\/)/;

/** The AWS SDK is met in these places alone. */
const AWS_ALLOWED =
  /^(src\/stores\/s3|src\/aws\/|src\/environment\/(secrets|executions)\.ts|src\/sources\/login\.ts|src\/sources\/(rds|lakefs)\/|infra\/)/;

interface Import {
  readonly file: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

const filesBelow = (folder: string): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));

const files = ['src', 'functions', 'infra', 'bench'].flatMap(filesBelow);

const IMPORT = /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[^'"`;]*?from\s+)?['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]/g;

const importsOf = (file: string): Import[] =>
  [...readFileSync(join(ROOT, file), 'utf8').matchAll(IMPORT)].map(([, type, from, dynamic]) => {
    const specifier = from ?? dynamic ?? '';
    const to = specifier.startsWith('.') ? relative(ROOT, resolve(ROOT, dirname(file), specifier)) : specifier;
    return { file, to, typeOnly: type !== undefined };
  });

const roomOf = (file: string): string | undefined =>
  Object.keys(ARROWS)
    .filter((room) => file.startsWith(room))
    .sort((a, b) => b.length - a.length)[0];

const isAllowed = ({ file, to, typeOnly }: Import): boolean => {
  if (LEAVES.includes(to)) return !LEAVES.includes(file);
  const arrows = ARROWS[roomOf(file) ?? ''] ?? [];
  return arrows.some((arrow) => (arrow.startsWith('type ') ? typeOnly && to.startsWith(arrow.slice(5)) : to.startsWith(arrow)));
};

describe('the house', () => {
  it('has a room for every file', () => {
    expect(files.filter((file) => roomOf(file) === undefined)).toEqual([]);
  });

  it('has no arrow that ARCHITECTURE.md does not allow', () => {
    const inProject = files.flatMap(importsOf).filter(({ to }) => to.endsWith('.ts'));
    expect(inProject.length).toBeGreaterThan(300);
    expect(inProject.filter((arrow) => !isAllowed(arrow)).map(({ file, to }) => `${file} → ${to}`)).toEqual([]);
  });

  it('names every room in ARCHITECTURE.md', () => {
    const page = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8');
    const rooms = [...new Set(Object.keys(ARROWS).map((room) => room.split('/').slice(0, 2).join('/')))].filter(
      (room) => !room.endsWith('.ts'),
    );
    expect(rooms.filter((room) => !page.includes(room.replace(/\/$/, '')))).toEqual([]);
  });

  it('meets the AWS SDK only where it must', () => {
    const meetings = files.flatMap(importsOf).filter(({ to }) => to.startsWith('@aws-sdk/'));
    expect(meetings.filter(({ file }) => !AWS_ALLOWED.test(file)).map(({ file }) => file)).toEqual([]);
  });

  it('parses JSON in one place', () => {
    const parsers = files.filter((file) => !NATIVE_PARSERS.test(file) && readFileSync(join(ROOT, file), 'utf8').includes('JSON.parse('));
    expect(parsers).toEqual([]);
  });

  it('registers every kind of source that has a folder', () => {
    const folders = readdirSync(join(ROOT, 'src/sources'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const modules = new Set(['openmetadata']);
    expect(kinds.map((kind) => kind.kind).sort()).toEqual(
      folders
        .map(({ name }) => name)
        .filter((name) => !modules.has(name))
        .sort(),
    );
  });

  it('keeps files short', () => {
    const lines = files.map((file) => ({ file, lines: readFileSync(join(ROOT, file), 'utf8').split('\n').length }));
    expect(lines.filter((each) => each.lines > FILE_MAX_LINES)).toEqual([]);
  });
});
