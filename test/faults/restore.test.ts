import { cp, mkdtemp, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { latest } from '../../src/backup/catalog.ts';
import { freshDatabase, query } from '../support/postgres.ts';
import { exitOf, failureOf, run, SOURCE, segmentFiles, type Voyage, voyage } from './support.ts';

/** One backup; each test damages a copy of its store. */
let original: Voyage;
let backup: string;
const endings: (() => Promise<void>)[] = [];

beforeAll(async () => {
  original = await voyage({}, (end) => endings.push(end));
  await run(original, 'backup');
  backup = (await latest(original.store, SOURCE))?.backup ?? '';
  expect(backup).not.toBe('');
});
afterAll(async () => {
  for (const end of endings) await end();
});

/** A copy of the store, and a target. */
const copied = async (to: string): Promise<Voyage> => {
  const folder = await mkdtemp(join(tmpdir(), 'lifeboat-faults-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await cp(original.folder, folder, { recursive: true });
  return voyage({ url: original.database.url, folder, to, fill: false });
};

const emptyTarget = async (): Promise<string> => {
  const target = await freshDatabase('target');
  onTestFinished(() => target.drop());
  return target.url;
};

const count = async (url: string, sql: string): Promise<number> => {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ n: string }>(sql);
    return Number(rows[0]?.n);
  } finally {
    await client.end();
  }
};

const largest = async (at: Voyage): Promise<string> => {
  const files = await segmentFiles(at, backup);
  const sizes = await Promise.all(files.map(async (file) => ({ file, bytes: (await readFile(file)).length })));
  return sizes.sort((a, b) => b.bytes - a.bytes)[0]?.file ?? '';
};

const flip = async (file: string): Promise<void> => {
  const bytes = await readFile(file);
  const middle = Math.floor(bytes.length / 2);
  bytes.writeUInt8(bytes.readUInt8(middle) ^ 4, middle);
  await writeFile(file, bytes);
};

const damages: Readonly<Record<string, (at: Voyage) => Promise<void>>> = {
  'has one flipped bit': async (at) => flip(await largest(at)),
  'is cut short': async (at) => {
    const file = await largest(at);
    await truncate(file, (await readFile(file)).length - 7);
  },
  'is missing': async (at) => rm(await largest(at)),
  'holds the bytes of another': async (at) => {
    const [one = '', two = ''] = [await largest(at), (await segmentFiles(at, backup))[0]];
    await rename(one, `${one}.aside`);
    await cp(two, one);
  },
};

// Other work on the machine may slow all of this down.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

describe('a restore of a backup with a segment that', () => {
  it.each(Object.entries(damages))('%s fails by name, and leaves a target that says so', async (_, damage) => {
    const to = await emptyTarget();
    const at = await copied(to);
    await damage(at);
    const error = await failureOf(run(at, 'restore', { target: 'to' }));
    expect(error.code).toBe('SegmentMismatch');
    expect(error.message).toMatch(/segments\/\d{6}\.\d{4}-[0-9a-f]{8}/);
    expect(error.hint).toContain('restore another');
    expect(exitOf(error)).toBe(14);
    // The store is repaired: what was left half-way is still refused, until somebody says that it may go.
    const whole = { ...at, environment: original.environment, store: original.store };
    const repaired = await voyage({ url: original.database.url, folder: original.folder, to, fill: false }, () => {});
    expect(whole.store.url).toBe(repaired.store.url);
    const refused = await failureOf(run(repaired, 'restore', { target: 'to' }));
    expect(refused.code).toBe('TargetUnusable');
    expect(exitOf(refused)).toBe(13);
    if (damage !== damages['is missing']) return;
    await run(repaired, 'restore', { target: 'to', overwrite: true });
    expect(await count(to, 'SELECT count(*) n FROM orders')).toBe(3000);
  });
});

describe('a restore refuses', () => {
  it('a manifest of another source', async () => {
    const at = await copied(await emptyTarget());
    await cp(join(at.folder, SOURCE), join(at.folder, 'other'), { recursive: true });
    const error = await failureOf(run(at, 'restore', { source: 'other', target: 'to' }));
    expect(error.code).toBe('ManifestInvalid');
    expect(error.message).toContain(SOURCE);
    expect(exitOf(error)).toBe(14);
  });

  it('a manifest of a newer format', async () => {
    const at = await copied(await emptyTarget());
    const file = join(at.folder, SOURCE, 'backups', backup, 'manifest.json');
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace('"formatVersion":1', '"formatVersion":2'));
    const error = await failureOf(run(at, 'restore', { target: 'to' }));
    expect(error.code).toBe('FormatTooNew');
    expect(error.message).toContain(backup);
    expect(error.hint).not.toBe('');
  });

  it('a target that is not empty, and does not touch it', async () => {
    const to = await emptyTarget();
    await query(to, 'CREATE TABLE mine AS SELECT 42 AS n');
    const error = await failureOf(run(await copied(to), 'restore', { target: 'to' }));
    expect(error.code).toBe('TargetNotEmpty');
    expect(error.hint).toContain('--overwrite');
    expect(exitOf(error)).toBe(13);
    expect(await count(to, 'SELECT n FROM mine')).toBe(42);
    expect(await count(to, `SELECT count(*) n FROM pg_class WHERE relnamespace = 'public'::regnamespace`)).toBe(1);
  });

  it.each([false, true])('the source itself (overwrite: %s)', async (overwrite) => {
    const at = await copied(original.database.url);
    const error = await failureOf(run(at, 'restore', { target: 'to', overwrite }));
    expect(error.code).toBe('TargetIsSource');
    expect(error.message).toContain(original.database.name);
    expect(exitOf(error)).toBe(13);
    expect(await count(original.database.url, 'SELECT count(*) n FROM orders')).toBe(3000);
  });

  it('to guess a target', async () => {
    const error = await failureOf(run(await copied(await emptyTarget()), 'restore'));
    expect(error.code).toBe('TargetMissing');
    expect(exitOf(error)).toBe(2);
  });

  it('a backup that is not there', async () => {
    const error = await failureOf(run(await copied(await emptyTarget()), 'restore', { target: 'to', backup: '20200101T000000Z-0000' }));
    expect(error.code).toBe('NoSuchBackup');
    expect(error.message).toContain('20200101T000000Z-0000');
    expect(exitOf(error)).toBe(10);
  });
});
