import { createHash } from 'node:crypto';
import { loadDigest } from '../../../backup/digest.ts';
import type { AuditFacts, Services, TaskContext } from '../../contract.ts';
import type { JuicefsAddress } from '../address.ts';
import { passwordOf } from '../engines/open.ts';
import type { Reader } from '../engines/reader.ts';
import { metaUrlOf } from '../meta-url.ts';
import { streamDump } from '../read/stream.ts';
import { startJuicefs } from './binary.ts';

/** What the vendor's own reader sees: all of the trees, read by `juicefs dump`. */
const WHAT = 'trees as juicefs dumps them';
/** Up to here it may hold all tables in memory, at 1 KiB an inode: four times as fast. */
const FAST_MAX_INODES = 300_000n;

/**
 * Reads the engine with the vendor's binary, and compares it byte for byte with what is read here. A dump opens no session and never
 * reaches the bucket, so the copy may keep the name of the volume. What it could not read is not measured.
 */
export const readByJuicefs = async (
  address: JuicefsAddress,
  services: Services,
  reader: Reader,
  context: TaskContext,
): Promise<AuditFacts> => {
  const own = await hashOfTrees(streamDump(address, reader, await loadDigest()).bytes);
  const password = await passwordOf(address, services);
  const { usedInodes } = (await reader.head()).counters;
  const fast = usedInodes <= FAST_MAX_INODES ? ['--fast'] : [];
  const args = ['dump', ...fast, metaUrlOf(address, services), '--log-level', 'error'];
  const { stdout, failure } = startJuicefs(args, password === undefined ? {} : { META_PASSWORD: password }, services, context);
  const theirs = await hashOfTrees(stdout);
  const why = await failure;
  context.budget.signal.throwIfAborted();
  if (why !== undefined) return { checks: [], notMeasured: [{ what: WHAT, why: `juicefs dump: ${why}` }] };
  return { checks: [{ name: WHAT, expected: own, actual: theirs, ok: own === theirs }] };
};

const FIRST_TREE = Buffer.from('\n  "FSTree": {');
/** A valid U+FFFD as it is written here, and what juicefs makes of it. */
const WHOLE = Buffer.from('%EF%BF%BD');
const DAMAGED = Buffer.from('%EF');

/** sha256 of a dump from its first tree on: what stands before it has lists whose order is no content. */
export const hashOfTrees = async (dump: AsyncIterable<Uint8Array>): Promise<string> => {
  const hash = createHash('sha256');
  let began = false;
  let held = Buffer.alloc(0);
  for await (const bytes of dump) {
    let all = Buffer.concat([held, bytes]);
    if (!began) {
      const start = all.indexOf(FIRST_TREE);
      if (start >= 0) {
        began = true;
        all = all.subarray(start);
      }
    }
    // What may be cut in the middle waits for what follows.
    const keep = Math.min(all.length, (began ? WHOLE : FIRST_TREE).length - 1);
    const ready = all.subarray(0, all.length - keep);
    const cut = ready.length === 0 ? 0 : endOf(all, ready.length);
    if (began) hash.update(damaged(all.subarray(0, cut)));
    held = Buffer.from(all.subarray(cut));
  }
  if (began) hash.update(damaged(held));
  return hash.digest('hex');
};

/** Where a piece may end so that no U+FFFD is cut. */
const endOf = (bytes: Buffer, wanted: number): number => {
  const near = bytes.lastIndexOf(WHOLE, wanted);
  return near >= 0 && near < wanted && near + WHOLE.length > wanted ? near : wanted;
};

const damaged = (bytes: Buffer): Buffer => {
  const parts: Buffer[] = [];
  let from = 0;
  for (let at = bytes.indexOf(WHOLE); at >= 0; at = bytes.indexOf(WHOLE, from)) {
    parts.push(bytes.subarray(from, at), DAMAGED);
    from = at + WHOLE.length;
  }
  return parts.length === 0 ? bytes : Buffer.concat([...parts, bytes.subarray(from)]);
};
