import { tmpdir } from 'node:os';
import type { BackupId, Receipt, Segment } from '../../../src/backup/types.ts';
import type { Cursor, Services, Source, StageContext, StageInput, TaskContext } from '../../../src/sources/contract.ts';
import { engines } from '../../../src/sources/engines.ts';
import { type RdsAddress, RdsAddressSchema } from '../../../src/sources/rds/address.ts';
import { rdsSource } from '../../../src/sources/rds/source.ts';
import { rdsTarget } from '../../../src/sources/rds/target.ts';
import { type RdsDouble, REGION } from '../../support/rds-double.ts';
import { waitFor } from './waiting.ts';

export const backupId = (text: string): BackupId => text as BackupId;

/** Secrets are those of the double; time is real, and may be moved. */
export const servicesOf = (double: RdsDouble, now: () => Date = () => new Date()): Services => ({
  secret: async (reference) => double.state.secrets.get(reference.replace(/^secretsmanager:/, '')) ?? '',
  now,
  temporary: tmpdir(),
});

export const addressOf = (double: RdsDouble, more: Record<string, unknown> = {}): RdsAddress =>
  RdsAddressSchema.parse({ instance: 'sea', region: REGION, endpoint: double.endpoint, sslmode: 'disable', ...more });

export const sourceOf = (double: RdsDouble, more: Record<string, unknown> = {}, now?: () => Date): Source =>
  rdsSource(addressOf(double, more), servicesOf(double, now), engines);

export const targetOf = (double: RdsDouble, more: Record<string, unknown> = {}, now?: () => Date) =>
  rdsTarget(addressOf(double, more), servicesOf(double, now), engines);

const budget = { remaining: () => 60_000, signal: new AbortController().signal };

export const contextOf = (input: StageInput, receipts: readonly Receipt[] = [], segments: Segment[] = []): TaskContext => ({
  input,
  budget,
  read: {
    async *read() {
      yield* [];
    },
  },
  async *receipts() {
    yield* receipts;
  },
  instants: async () => [],
  task: 0,
  progress: () => {},
  write: {
    async write(ordinal, raw, { encoding, role = 'artifact', context }) {
      const chunks = await Array.fromAsync(raw);
      const bytes = Buffer.concat(chunks).length;
      const segment: Segment = { key: `segments/${ordinal}`, ordinal, role, encoding, bytes, rawBytes: bytes, sha256: '', context };
      segments.push(segment);
      return segment;
    },
  },
});

export const backupInput = (backup: BackupId): StageInput => ({
  kind: 'backup',
  backup,
  facts: { product: '', version: '', place: '', content: '', bytes: 0, problems: [] },
});

/** Runs a snapshot backup to its end, looking again much sooner than it asks for; answers what it left. */
export const backUp = async (source: Source, backup: BackupId): Promise<readonly Segment[]> => {
  await waitFor(
    async () => source.ready?.(backup),
    (later) => later === undefined,
  );
  await source.open?.(backup);
  const context = contextOf(backupInput(backup));
  const [planned] = await Array.fromAsync(source.dump.plan(context));
  return untilDone((resume) => source.dump.run(planned?.task ?? null, context, resume));
};

/** Runs a task that answers `next` until it has nothing left to do. */
export const untilDone = async (
  run: (
    resume?: Cursor,
  ) => Promise<{ readonly segments: readonly Segment[]; readonly next?: { readonly cursor: Cursor; readonly afterSeconds?: number } }>,
): Promise<readonly Segment[]> => {
  let resume: Cursor | undefined;
  const part = await waitFor(
    async () => {
      const done = await run(resume);
      resume = done.next?.cursor;
      return done;
    },
    ({ next }) => next === undefined,
  );
  return part.segments;
};

export type { StageContext };
