import { createHash } from 'node:crypto';
import { z } from 'zod';
import { decodeManifest } from '../../src/backup/manifest.ts';
import { readAll } from '../../src/backup/objects.ts';
import { decodeProof } from '../../src/backup/proof.ts';
import type { Manifest, Proof } from '../../src/backup/types.ts';
import { scratchName } from '../../src/drill/record.ts';
import type { Store } from '../../src/stores/store.ts';
import { artifactOf, listed, mustVerify } from '../support/checks.ts';
import { textOf } from '../support/fake-server.ts';
import { SOURCE, type System } from '../support/system.ts';

/** Watches what is written, and keeps what was broken until `hold` fails with it: a function could swallow an error. */
export interface Watch {
  readonly store: Store;
  control(bare: Store): Store;
  /** Flips a bit of a segment of a sound backup, as a disk would. */
  damage(random: () => number): Promise<void>;
  hold(): void;
  /** Backups that were there and are not any more. */
  readonly pruned: ReadonlySet<string>;
}

const BACKUP_KEY = /^[^/]+\/backups\/([^/]+)\/(.+)$/;

export const watchStores = (bare: Store, system: () => System, last: number): Watch => {
  const broken: string[] = [];
  const first = new Map<string, string>();
  const damaged = new Set<string>();
  const pruned = new Set<string>();
  const must = (holds: boolean, what: string): void => {
    if (!holds) broken.push(what);
  };

  const created = async (key: string): Promise<void> => {
    const bytes = await readAll(bare, key);
    if (bytes === undefined) return;
    const hash = createHash('sha256').update(bytes).digest('hex');
    must(first.get(key) === undefined || first.get(key) === hash || damaged.has(key), `${key} was written twice, with other bytes`);
    if (!first.has(key)) first.set(key, hash);
    if (key.endsWith('/manifest.json')) await complain(() => sealed(decodeManifest(bytes)));
    if (key.includes('/proofs/') && key.endsWith('.json')) await complain(() => proven(decodeProof(bytes)));
  };

  const complain = async (check: () => Promise<void>): Promise<void> => {
    try {
      await check();
    } catch (error) {
      broken.push(error instanceof Error ? error.message : String(error));
    }
  };

  /** At the moment at which a backup begins to exist, it is whole, and shows what its instant showed. */
  const sealed = async (manifest: Manifest): Promise<void> => {
    await mustVerify(bare, manifest);
    const truth = truthOf(system(), manifest);
    must(truth === (await artifactOf(bare, manifest)), `backup ${manifest.backup} does not show what its instant showed`);
    must(
      (await readAll(bare, `${SOURCE}/backups/${manifest.backup}/RESTORE.md`)) !== undefined,
      `backup ${manifest.backup} has no RESTORE.md`,
    );
  };

  const proven = async (proof: Proof): Promise<void> => {
    if (proof.verdict !== 'PASSED') return;
    const bytes = await readAll(bare, `${SOURCE}/backups/${proof.backup}/manifest.json`);
    // A backup may be pruned while it is drilled.
    if (bytes === undefined) return;
    const restored = system().audited.get(scratchName(proof.drill));
    must(restored === truthOf(system(), decodeManifest(bytes)), `drill ${proof.drill} passed, and what it restored is not equal`);
    must(proof.control?.ok === true, `drill ${proof.drill} passed without its control`);
  };

  const deleting = async (key: string): Promise<void> => {
    const [, backup = '', file = ''] = BACKUP_KEY.exec(key) ?? [];
    must(backup !== '', `${key} was deleted, and belongs to no backup`);
    const manifest = await bare.head(`${SOURCE}/backups/${backup}/manifest.json`);
    if (file !== 'manifest.json') return must(manifest === undefined, `${key} was deleted before its manifest`);
    pruned.add(backup);
    const entries = await listed(bare, SOURCE);
    const own = entries.find((entry) => entry.backup === backup);
    const newer = entries.filter(
      (entry) => own !== undefined && entry.state === 'sound' && entry.recordedAt >= own.recordedAt && entry !== own,
    );
    must(newer.length >= last, `${backup} was pruned, with only ${newer.length} newer ones`);
    const proven = entries.filter((entry) => entry.proof.state === 'PASSED').sort((a, b) => (a.recordedAt < b.recordedAt ? 1 : -1));
    must(proven[0]?.backup !== backup, `${backup} was pruned, the newest that was proven`);
  };

  const store: Store = {
    ...bare,
    async create(key, body, signal) {
      const answer = await bare.create(key, body, signal);
      await created(key);
      return answer;
    },
    async delete(key) {
      await deleting(key);
      await bare.delete(key);
    },
    async replace(key) {
      broken.push(`${key} was replaced in the store`);
      return undefined;
    },
  };

  return {
    store,
    pruned,
    control: (control) => ({
      ...control,
      async replace(key, body, ifMatch) {
        const before = leaseIn(await readAll(control, key));
        const after = leaseIn(body);
        const etag = await control.replace(key, body, ifMatch);
        if (etag !== undefined && before?.state === 'held' && after?.state === 'held' && before.execution !== after.execution) {
          const expired = Date.parse(before.expiresAt) <= system().runtime.now().getTime();
          must(
            expired || system().stateOf(before.execution) !== 'running',
            `${after.execution} took the lease of ${before.execution}, which runs`,
          );
        }
        return etag;
      },
    }),
    async damage(random) {
      const entries = await listed(bare, SOURCE);
      const entry = entries[Math.floor(random() * entries.length)];
      if (entry?.state !== 'sound') return;
      const segment = entry.manifest.segments[Math.floor(random() * entry.manifest.segments.length)];
      if (segment === undefined) return;
      const key = `${SOURCE}/backups/${entry.backup}/${segment.key}`;
      const bytes = await readAll(bare, key);
      if (bytes === undefined) return;
      const copy = Buffer.from(bytes);
      copy.writeUInt8(copy.readUInt8(0) ^ 1, 0);
      damaged.add(key);
      await bare.delete(key);
      await bare.create(key, copy);
    },
    hold() {
      if (broken.length > 0) throw new Error(broken.join('\n'));
    },
  };
};

const TokenSchema = z.object({ origin: z.string() });

const truthOf = (system: System, manifest: Manifest): string => {
  const { origin } = TokenSchema.parse(manifest.pointInTime.token);
  const content = system.server.shown(origin);
  if (content === undefined) throw new Error(`nobody knows the instant ${origin}`);
  return textOf(content);
};

const LeaseSchema = z.union([
  z.object({ state: z.literal('held'), execution: z.string(), expiresAt: z.string() }),
  z.object({ state: z.literal('free') }),
]);

const leaseIn = (bytes: Uint8Array | undefined): z.output<typeof LeaseSchema> | undefined => {
  if (bytes === undefined) return undefined;
  const parsed = LeaseSchema.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  return parsed.success ? parsed.data : undefined;
};
