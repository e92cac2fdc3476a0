import { createHash } from 'node:crypto';
import { z } from 'zod';
import { LifeboatError } from '../errors.ts';
import { parseJson } from '../json.ts';
import type { Store } from '../stores/store.ts';
import { canonicalJson } from './canonical.ts';
import { leaseKey } from './layout.ts';
import { readAll } from './objects.ts';

/**
 * One execution at a time works on a source. A lease is a record that is replaced under its etag, so one of two takers wins; it is
 * never deleted, so its generation grows and no two holders have the same token. It saves load: correctness rests on
 * per-backup keys and the conditional manifest.
 */
const RecordSchema = z.discriminatedUnion('state', [
  z.object({
    state: z.literal('held'),
    generation: z.int().positive(),
    execution: z.string(),
    token: z.string(),
    expiresAt: z.iso.datetime(),
  }),
  z.object({ state: z.literal('free'), generation: z.int().positive() }),
]);
type LeaseRecord = z.infer<typeof RecordSchema>;

/** Lost races before the lease counts as held: each of them means that another taker got through. */
const RACES_MAX = 8;

export interface LeaseRequest {
  readonly source: string;
  /** ARN; the same execution gets the same lease again. */
  readonly execution: string;
  /** When the execution cannot be running any more: its start and the machine's timeout. */
  readonly expiresAt: Date;
  readonly now: Date;
  ownerState(execution: string): Promise<'running' | 'gone' | 'unknown'>;
}

export interface Lease {
  /** To be checked before sealing, pruning and sweeping. */
  readonly token: string;
  /** The execution that had it and is gone, or `unreadable`. */
  readonly takenFrom?: string;
}

/** Takes the lease if it is free, expired, or its owner is known to be gone. Fails with LeaseHeld, naming the owner. */
export const acquireLease = async (control: Store, request: LeaseRequest): Promise<Lease> => {
  const { source, execution, expiresAt, now } = request;
  if (expiresAt.getTime() <= now.getTime())
    throw new LifeboatError('LeaseLost', `execution ${execution} would have ended at ${expiresAt.toISOString()}`, {
      hint: 'Start a new one.',
    });
  for (let race = 0; race < RACES_MAX; race++) {
    const { record, etag } = await readLease(control, source);
    if (
      record !== 'unreadable' &&
      record?.state === 'held' &&
      record.execution === execution &&
      record.expiresAt === expiresAt.toISOString()
    )
      return { token: record.token };
    const takenFrom = await mayTake(record, request);
    const generation = (record === undefined || record === 'unreadable' ? 0 : record.generation) + 1;
    const token = `${generation}-${createHash('sha256').update(`${generation} ${execution} ${etag}`).digest('hex').slice(0, 16)}`;
    const mine: LeaseRecord = { state: 'held', generation, execution, token, expiresAt: expiresAt.toISOString() };
    if (await replace(control, source, mine, etag)) return takenFrom === undefined ? { token } : { token, takenFrom };
  }
  throw held(source, 'other executions that take it at this moment');
};

/** Fails with LeaseLost when the lease expired or another execution has it. */
export const checkLease = async (control: Store, source: string, token: string, now: Date): Promise<void> => {
  const { record } = await readLease(control, source);
  const lost = (why: string): LifeboatError =>
    new LifeboatError('LeaseLost', `the lease of ${source} ${why}`, {
      hint: 'Another execution may be at work on this source; see "lifeboat executions".',
    });
  if (record === undefined) throw lost('is not there any more');
  if (record === 'unreadable') throw lost('cannot be read');
  if (record.state === 'free') throw lost('was given back');
  if (record.token !== token) throw lost(`was taken over by ${record.execution}`);
  if (Date.parse(record.expiresAt) <= now.getTime()) throw lost(`expired at ${record.expiresAt}`);
};

/** Gives the lease back; whoever took it over since keeps it. */
export const releaseLease = async (control: Store, source: string, token: string): Promise<void> => {
  for (;;) {
    const { record, etag } = await readLease(control, source);
    if (record === undefined || record === 'unreadable' || record.state === 'free' || record.token !== token) return;
    if (await replace(control, source, { state: 'free', generation: record.generation }, etag)) return;
  }
};

/** For the janitor: frees a lease that is expired or whose owner is known to be gone; answers whether it did. */
export const breakLease = async (control: Store, request: Pick<LeaseRequest, 'source' | 'now' | 'ownerState'>): Promise<boolean> => {
  const { record, etag } = await readLease(control, request.source);
  if (record === undefined || record === 'unreadable' || record.state === 'free' || !(await isDead(record, request))) return false;
  return replace(control, request.source, { state: 'free', generation: record.generation }, etag);
};

/** Whom the lease is taken from, if anybody. An unreadable one would block the source for good, and protects nothing. */
const mayTake = async (record: LeaseRecord | 'unreadable' | undefined, request: LeaseRequest): Promise<string | undefined> => {
  if (record === 'unreadable') return 'unreadable';
  if (record === undefined || record.state === 'free' || record.execution === request.execution) return undefined;
  if (await isDead(record, request)) return record.execution;
  throw held(request.source, `${record.execution} until ${record.expiresAt}`);
};

const isDead = async (
  record: LeaseRecord & { readonly state: 'held' },
  request: Pick<LeaseRequest, 'now' | 'ownerState'>,
): Promise<boolean> => Date.parse(record.expiresAt) <= request.now.getTime() || (await request.ownerState(record.execution)) === 'gone';

const held = (source: string, owner: string): LifeboatError =>
  new LifeboatError('LeaseHeld', `the lease of ${source} is held by ${owner}`, {
    hint: 'Wait until it has ended. If it was killed, its lease is taken over once it expired.',
  });

/** The etag is read first: if the record changes before it is read, replacing it fails, and all is read again. */
const readLease = async (
  control: Store,
  source: string,
): Promise<{ readonly record: LeaseRecord | 'unreadable' | undefined; readonly etag: string | null }> => {
  const key = leaseKey(source);
  const info = await control.head(key);
  if (info === undefined) return { record: undefined, etag: null };
  const bytes = await readAll(control, key);
  return { record: bytes === undefined ? undefined : parse(bytes), etag: info.etag };
};

const parse = (bytes: Uint8Array): LeaseRecord | 'unreadable' => {
  try {
    const parsed = RecordSchema.safeParse(parseJson(Buffer.from(bytes).toString('utf8')));
    return parsed.success ? parsed.data : 'unreadable';
  } catch {
    return 'unreadable';
  }
};

const replace = async (control: Store, source: string, record: LeaseRecord, etag: string | null): Promise<boolean> =>
  (await control.replace(leaseKey(source), Buffer.from(canonicalJson(record)), etag)) !== undefined;
