import { createHash } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { encode } from '../../src/backup/codec.ts';
import { loadDigest } from '../../src/backup/digest.ts';
import { parseBackupId } from '../../src/backup/id.ts';
import { backupPrefix, manifestKey, proofKey, restoreGuideKey, segmentKey } from '../../src/backup/layout.ts';
import { encodeManifest } from '../../src/backup/manifest.ts';
import { ordinal } from '../../src/backup/ordinal.ts';
import { encodeProof } from '../../src/backup/proof.ts';
import type { BackupId, Json, Manifest, Proof, Segment, Verdict } from '../../src/backup/types.ts';
import type { Engine, MakeEngine } from '../../src/cli/engine.ts';
import type { Io } from '../../src/cli/io.ts';
import { main } from '../../src/cli/main.ts';
import { openStore } from '../../src/stores/open.ts';
import type { Store } from '../../src/stores/store.ts';

export const NOW = new Date('2026-11-21T12:00:00.000Z');

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** Of stdout: fails when it is not exactly one JSON document. */
  json(): Record<string, unknown>;
}

const collect = (): { stream: Writable; text: () => string } => {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
  return { stream, text: () => Buffer.concat(chunks).toString('utf8') };
};

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  readonly stdin?: string;
  readonly terminal?: Partial<Io['terminal']>;
  readonly engine?: Partial<Engine>;
  readonly makeEngine?: MakeEngine;
  /** Gets the function that interrupts. */
  readonly interrupts?: (interrupt: () => void) => void;
  readonly exited?: (code: number) => void;
  readonly opened?: (path: string) => void;
  readonly now?: () => Date;
}

/** Runs one command line in this process, with an engine that can do what the test gives it. */
export const lifeboat = async (argv: readonly string[], options: RunOptions = {}): Promise<Ran> => {
  const [stdout, stderr] = [collect(), collect()];
  const io: Io = {
    stdin: Readable.from(options.stdin === undefined ? [] : [Buffer.from(options.stdin)]),
    stdout: stdout.stream,
    stderr: stderr.stream,
    env: options.env ?? {},
    cwd: options.cwd ?? tmpdir(),
    terminal: { stdin: false, stdout: false, stderr: false, columns: 80, ...options.terminal },
    now: options.now ?? (() => NOW),
    onInterrupt: (handler) => {
      options.interrupts?.(handler);
      return () => undefined;
    },
    exit: (code) => options.exited?.(code),
    open: async (path) => options.opened?.(path),
  };
  const code = await main(argv, io, options.makeEngine ?? (async () => fakeEngine(options.engine)));
  return {
    code,
    out: stdout.text(),
    err: stderr.text(),
    json: () => {
      const parsed: unknown = JSON.parse(stdout.text());
      if (typeof parsed !== 'object' || parsed === null) throw new Error('not an object');
      return { ...parsed };
    },
  };
};

/** An engine that fails the test where it is asked for more than it was given. */
export const fakeEngine = (given: Partial<Engine> = {}): Engine => {
  const unexpected = (what: string) => (): never => {
    throw new Error(`the command called engine.${what}`);
  };
  return {
    backup: unexpected('backup'),
    restore: unexpected('restore'),
    drill: unexpected('drill'),
    dump: unexpected('dump'),
    load: unexpected('load'),
    plan: unexpected('plan'),
    inspect: unexpected('inspect'),
    prune: unexpected('prune'),
    executions: unexpected('executions'),
    logs: unexpected('logs'),
    close: async () => undefined,
    ...given,
  };
};

export const temporaryFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'lifeboat-cli-'));

export const storeIn = async (folder: string): Promise<Store> => openStore(pathToFileURL(folder).href);

export const ID = idOf('20261120T013000Z-4f2a');
export const LATER_ID = idOf('20261121T013000Z-91bc');

function idOf(text: string): BackupId {
  const id = parseBackupId(text);
  if (id === undefined) throw new Error(`not a backup id: ${text}`);
  return id;
}

/** Two tables of one small script, with digests of `rows` made-up rows each. */
export const digestsOf = async (rows: number): Promise<Manifest['digests']> => {
  const factory = await loadDigest();
  return ['public.table_entity', 'public.tag_usage'].map((name) => {
    const digest = factory.open(name, ['id', 'json']);
    for (let row = 0; row < rows; row += 1) {
      const bytes = Buffer.from(`${row}\t{"name": "${name}"}\n`);
      digest.add(bytes, 0, String(row).length);
    }
    return digest.end();
  });
};

export interface BackupOptions {
  readonly source?: string;
  readonly backup?: BackupId;
  readonly rows?: number;
  readonly texts?: readonly string[];
  readonly at?: string;
  readonly horizon?: Manifest['horizon'];
  /** Of an RDS snapshot, which is then all that the backup has. */
  readonly reference?: Json;
}

/** Puts a whole backup into a store, byte for byte as one that was made. */
export const putBackup = async (store: Store, options: BackupOptions = {}): Promise<Manifest> => {
  const { source = 'catalog', backup = ID, texts = ['BEGIN;\n', 'COPY 1;\n', 'COMMIT;\n'] } = options;
  const at = options.at ?? '2026-11-20T01:30:00.000Z';
  const segments: Segment[] = [];
  for (const [index, text] of texts.entries())
    segments.push(await putSegment(store, backupPrefix(source, backup), index, text, options.reference));
  const manifest: Manifest = {
    formatVersion: 1,
    tool: 'lifeboat 0.1.0',
    backup,
    execution: 'arn:aws:states:local:0:execution:backup:1',
    source: {
      name: source,
      kind: options.reference === undefined ? 'postgres' : 'rds',
      product: 'PostgreSQL',
      version: '18.4',
      place: 'postgres://db:5432/catalog',
      content: 'catalog',
    },
    pointInTime: { consistency: 'snapshot', at, token: null },
    startedAt: at,
    sealedAt: new Date(Date.parse(at) + 4200).toISOString(),
    artifact: { format: 'PostgreSQL script', restoreWith: 'psql -X -v ON_ERROR_STOP=1' },
    segments,
    digests: await digestsOf(options.rows ?? 1234),
    assertions: [{ name: 'openmetadata.version', value: '1.13.4' }],
    details: options.reference === undefined ? {} : null,
    notIncluded: { 'large objects': '2', views: '0' },
    ...(options.horizon === undefined ? {} : { horizon: options.horizon }),
    timings: { dump: 3.1, seal: 0.2 },
    previous: null,
  };
  await store.create(restoreGuideKey(source, backup), Buffer.from('# Restore\n'));
  await store.create(manifestKey(source, backup), encodeManifest(manifest));
  return manifest;
};

const putSegment = async (store: Store, prefix: string, index: number, text: string, context?: Json): Promise<Segment> => {
  const raw = Buffer.from(text);
  const stored = Buffer.concat(await Array.fromAsync(encode(Readable.from([raw]), 'zstd', () => undefined)));
  const sha256 = createHash('sha256').update(stored).digest('hex');
  const place = ordinal(index, 0);
  const key = segmentKey(place, sha256, 'sql.zst');
  await store.create(prefix + key, stored);
  return {
    key,
    ordinal: place,
    role: 'artifact',
    encoding: 'zstd',
    bytes: stored.length,
    rawBytes: raw.length,
    sha256,
    context: context ?? { table: `public.t${index}` },
  };
};

export const proof = (verdict: Verdict, overrides: Partial<Proof> = {}): Proof => ({
  formatVersion: 1,
  drill: '20261121T030000Z-91bc',
  source: 'catalog',
  kind: 'postgres',
  backup: ID,
  execution: 'arn:aws:states:local:0:execution:drill:1',
  verdict,
  startedAt: '2026-11-21T03:00:00.000Z',
  endedAt: '2026-11-21T03:04:12.000Z',
  scratch: 'postgres://scratch:5432/lifeboat_drill_1',
  rtoSeconds: verdict === 'NOT_MEASURED' ? null : 252,
  rpoSeconds: 91_800,
  goals: { rtoSeconds: 300 },
  phases: [{ name: 'load', seconds: 200 }],
  checks: [
    {
      name: 'rows of public.table_entity',
      expected: '1234',
      actual: verdict === 'FAILED' ? '1233' : '1234',
      ok: verdict !== 'FAILED',
      class: 'public.table_entity',
    },
  ],
  control: null,
  notMeasured: verdict === 'NOT_MEASURED' ? [{ what: 'everything', why: 'no scratch server' }] : [],
  failure: null,
  seed: 42,
  why: 'the newest backup',
  ...overrides,
});

export const putProof = async (store: Store, given: Proof): Promise<void> => {
  await store.create(proofKey(given.source, given.backup, given.drill, 'json'), encodeProof(given));
  await store.create(proofKey(given.source, given.backup, given.drill, 'html'), Buffer.from('<!doctype html>'));
};
