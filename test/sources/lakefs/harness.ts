import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sumDigests } from '../../../src/backup/digest.ts';
import { publishInstant, releaseInstant } from '../../../src/backup/instants.ts';
import { releaseLease } from '../../../src/backup/lease.ts';
import { objectsBelow } from '../../../src/backup/pool.ts';
import { backupRun, restoreRun } from '../../../src/backup/rooms.ts';
import { readRun } from '../../../src/backup/run-record.ts';
import type { Runtime } from '../../../src/backup/runtime.ts';
import { findManifest, sealBackup } from '../../../src/backup/seal.ts';
import { runSequence } from '../../../src/backup/sequence.ts';
import { startBackup } from '../../../src/backup/start.ts';
import type { Check, ClassDigest, Manifest } from '../../../src/backup/types.ts';
import { type AuditResult, judgeAudit } from '../../../src/drill/judge.ts';
import type { Budget, Services, Source, Stage, Target } from '../../../src/sources/contract.ts';
import { type LakefsAddress, LakefsAddressSchema } from '../../../src/sources/lakefs/address.ts';
import { lakefsSource } from '../../../src/sources/lakefs/source.ts';
import { lakefsTarget } from '../../../src/sources/lakefs/target.ts';
import { memoryStore } from '../../../src/stores/memory.ts';
import { openStore } from '../../../src/stores/open.ts';
import type { Store } from '../../../src/stores/store.ts';
import { commit, type Repository, upload } from '../../support/lakefs-repository.ts';
import { type LakefsServer, startLakefsServer } from '../../support/lakefs-server.ts';
import { memorySpool } from '../../support/memory-spool.ts';

export const SOURCE = 'lake';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

export interface Harness {
  readonly server: LakefsServer;
  readonly folder: string;
  readonly store: Store;
  readonly runtime: Runtime;
  readonly services: Services;
  /** Milliseconds added to the clock. */
  skew: number;
  address(changes?: Partial<LakefsAddress>): LakefsAddress;
  source(changes?: Partial<LakefsAddress>): Source;
  target(changes?: Partial<LakefsAddress>): Target;
  backup(source?: Source, budget?: Budget): Promise<Manifest>;
  restore(target: Target, manifest: Manifest, options?: { readonly scratch?: boolean; readonly budget?: Budget }): Promise<AuditResult>;
  audit(target: Target, manifest: Manifest): Promise<AuditResult>;
  run(stage: Stage, manifest: Manifest, scratch?: boolean): Promise<void>;
  close(): Promise<void>;
}

export const forever: Budget = { remaining: () => 60_000, signal: new AbortController().signal };
/** Every look at it says that the time is over: each invocation does the smallest piece of work. */
export const spent: Budget = { remaining: () => 0, signal: new AbortController().signal };

export const openHarness = async (): Promise<Harness> => {
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-lakefs-'));
  const server = await startLakefsServer(folder);
  const store = memoryStore({ name: 'store' });
  let counted = 0;
  const now = (): Date => new Date(Date.now() + harness.skew);
  const services: Services = {
    secret: async () => server.secretAccessKey,
    now,
    temporary: folder,
    openObjects: async (url, options) => objectsBelow(await openStore(url, options), ''),
  };
  const runtime: Runtime = {
    store,
    control: memoryStore({ name: 'control' }),
    services,
    tool: 'lifeboat test',
    report: () => {},
    openSpool: memorySpool,
    now,
    sleep: async () => {},
    executionState: async () => 'unknown',
  };
  const finish = async (stage: Stage, run: Awaited<ReturnType<typeof backupRun>>, budget: Budget): Promise<void> => {
    let resume: string | null = null;
    do resume = (await runSequence(stage, run, budget, resume)).resume;
    while (resume !== null);
  };
  const harness: Harness = {
    server,
    folder,
    store,
    runtime,
    services,
    skew: 0,
    address: (changes = {}) =>
      LakefsAddressSchema.parse({
        endpoint: server.endpoint,
        repository: 'sample',
        accessKeyId: server.accessKeyId,
        secretAccessKey: 'env:SECRET',
        localPath: folder,
        ...changes,
      }),
    source: (changes) => lakefsSource(harness.address(changes), services),
    target: (changes) => lakefsTarget(harness.address(changes), services),
    async backup(source = harness.source(), budget = forever) {
      counted += 1;
      const execution = `arn:test:${counted}`;
      // An execution of long ago would have lost its lease; each has a minute of its own.
      const startedAt = new Date(Date.now() - HOUR_MS + counted * MINUTE_MS).toISOString();
      const { backup } = await startBackup(runtime, source, { source: SOURCE, scheduledTime: null, schedule: null, execution, startedAt });
      const { lease } = await readRun(runtime, SOURCE, backup);
      try {
        const at = await source.open?.(backup);
        if (at === undefined) throw new Error('a lakeFS source opens its instant');
        await publishInstant(runtime, SOURCE, backup, 0, at, 'attempt');
        await finish(source.dump, await backupRun(runtime, SOURCE, backup), budget);
        await releaseInstant(runtime, SOURCE, backup);
        for (let resume: string | null = null, done = false; !done; ) {
          const outcome: Awaited<ReturnType<typeof sealBackup>> = await sealBackup(
            runtime,
            source,
            { source: SOURCE, kind: 'lakefs', backup, resume },
            budget,
          );
          resume = outcome.resume;
          done = resume === null;
        }
      } finally {
        await releaseLease(runtime.control, SOURCE, lease);
      }
      const manifest = await findManifest(runtime, { source: SOURCE, backup });
      if (manifest === undefined) throw new Error('sealed, and not there');
      return manifest;
    },
    async restore(target, manifest, { scratch = false, budget = forever } = {}) {
      counted += 1;
      const run = restoreRun(runtime, { source: SOURCE, restore: `restore-${counted}`, manifest, scratch, overwrite: false });
      for (const stage of target.stages) await finish(stage, run, budget);
      return harness.audit(target, manifest);
    },
    async audit(target, manifest) {
      counted += 1;
      const run = restoreRun(runtime, { source: SOURCE, restore: `audit-${counted}`, manifest, scratch: false, overwrite: false });
      await finish(target.audit, run, forever);
      const digests: ClassDigest[] = [];
      const checks: Check[] = [];
      for await (const receipt of run.context(forever).receipts('audit')) {
        digests.push(...receipt.digests);
        if (typeof receipt.facts === 'object' && receipt.facts !== null && 'checks' in receipt.facts)
          checks.push(...(receipt.facts['checks'] as unknown as Check[]));
      }
      return judgeAudit({ manifest, digests: sumDigests(digests), checks, assertions: [] });
    },
    async run(stage, manifest, scratch = true) {
      counted += 1;
      await finish(
        stage,
        restoreRun(runtime, { source: SOURCE, restore: `stage-${counted}`, manifest, scratch, overwrite: false }),
        forever,
      );
    },
    async close() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return harness;
};

/** Branches, one of them hidden, tags, changes of all kinds, settings: what a repository may have. */
export const fill = ({ server }: Pick<Harness, 'server'>, id = 'sample', namespace = 'local://repos/sample'): Repository => {
  const made = server.make(id, namespace, 'trunk');
  const trunk = made.branches.get('trunk');
  if (trunk === undefined) throw new Error('made without its branch');
  for (let n = 0; n < 35; n++)
    trunk.staged.set(`tables/a/part-${String(n).padStart(5, '0')}.csv`, upload(made, Buffer.from(`${n},x\n`.repeat(n + 1))));
  trunk.staged.set('שלום עולם/%20 &+.txt', upload(made, Buffer.from('שלום')));
  commit(made, 'trunk', 'first', { b: '2', a: '1' });
  for (const name of ['dev', 'feature-1', 'feature/slash', 'ops'])
    made.branches.set(name, { commit: trunk.commit, hidden: name === 'ops', staged: new Map() });
  made.branches.get('dev')?.staged.set('dev/new.txt', upload(made, Buffer.from('dev')));
  commit(made, 'dev', 'on dev');
  trunk.staged.set('tables/a/part-00003.csv', upload(made, Buffer.from('changed')));
  commit(made, 'trunk', 'changed one');
  commit(made, 'trunk', 'merge', {}, 'dev');
  made.tags.set('v1.0', trunk.commit);
  made.tags.set('גרסה', made.branches.get('dev')?.commit ?? '');
  made.branches.get('feature-1')?.staged.set('uncommitted/new.txt', upload(made, Buffer.from('not committed yet')));
  made.branches.get('feature-1')?.staged.set('tables/a/part-00001.csv', null);
  made.metadata = { owner: 'me', z: '1' };
  made.rules = { default_retention_days: 21, branches: [{ branch_id: 'trunk', retention_days: 28 }] };
  made.protection = [{ pattern: 'trunk' }];
  made.pulls.push({ id: 'p1', title: 'open one', status: 'open', source_branch: 'dev', destination_branch: 'trunk' });
  made.pulls.push({
    id: 'p2',
    title: 'merged one',
    status: 'merged',
    source_branch: 'dev',
    destination_branch: 'trunk',
    merged_commit_id: trunk.commit,
  });
  return made;
};
