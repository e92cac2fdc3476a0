import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ordinal } from '../../backup/ordinal.ts';
import type { Segment } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import type { Cursor, Part, TaskContext } from '../contract.ts';
import { type Task, taskOf } from './api.ts';
import type { Client } from './client.ts';
import { digestContents } from './digest-contents.ts';
import { checkDump } from './dump/check.ts';
import { secretsIn } from './dump/secrets.ts';
import type { Token } from './instant.ts';

/** Bytes of a dump that become one segment. */
const PIECE_BYTES = 64 * 1024 * 1024;

/** Seconds between two looks at the dump task, and those after which one that has not begun is given up. */
const LOOK_SECONDS = 2;
const QUEUE_MAX_SECONDS = 6 * 60 * 60;
/** Dumps take a day where there are vectors of many documents. */
const DUMP_MAX_SECONDS = 11 * 60 * 60;

const CursorSchema = z.discriminatedUnion('phase', [
  z.strictObject({ phase: z.literal('wait'), looks: z.int() }),
  z.strictObject({ phase: z.literal('copy'), offset: z.int(), segments: z.int(), bytes: z.int(), path: z.string() }),
]);

/**
 * Waits for the server's dump, checks the file from end to end, and copies it. Only a task that succeeded counts: a server that was
 * killed leaves a part of a dump under the name of a whole one.
 */
export const dumpFile = async (client: Client, token: Token, context: TaskContext, resume: Cursor | undefined): Promise<Part> => {
  if (token.mode !== 'server') throw new LifeboatError('InstantLost', 'the backup was not begun in mode server');
  const cursor = resume === undefined ? { phase: 'wait' as const, looks: 0 } : CursorSchema.parse(parseJson(resume));
  if (cursor.phase === 'copy') return copy(cursor, context, {});
  const task = await taskOf(client, token.task);
  const waited = cursor.looks * LOOK_SECONDS;
  refuse(task, waited);
  if (task.status !== 'succeeded')
    return {
      segments: [],
      digests: [],
      facts: pending(token),
      next: { cursor: encode({ phase: 'wait', looks: cursor.looks + 1 }), afterSeconds: LOOK_SECONDS },
    };
  return checkAndCopy(client, token, task, context);
};

/** Facts of a part in which nothing is known yet; the last part's count. */
const pending = (token: Extract<Token, { mode: 'server' }>) => ({
  kind: 'file',
  version: '',
  at: token.at,
  dumpUid: '',
  keys: 0,
  tasks: 0,
});

const refuse = ({ uid, status, error }: Task, waited: number): void => {
  if (status === 'failed')
    throw new LifeboatError('BackupFailed', `dump task ${uid} failed: ${error?.code ?? 'unknown'}: ${error?.message ?? ''}`, {
      hint: 'Is there room, and is the dump directory still there? Meilisearch makes it only when it starts.',
    });
  if (status === 'canceled')
    throw new LifeboatError('BackupFailed', `dump task ${uid} was canceled`, { hint: 'Somebody canceled it; start a new backup.' });
  if (status === 'enqueued' && waited > QUEUE_MAX_SECONDS)
    throw new LifeboatError('BackupFailed', `dump task ${uid} did not begin within ${QUEUE_MAX_SECONDS / 3600} hours`, {
      hint: 'A task before it does not end: look at GET /batches?statuses=processing.',
    });
  if (status === 'processing' && waited > DUMP_MAX_SECONDS)
    throw new LifeboatError('BackupFailed', `dump task ${uid} did not end within ${DUMP_MAX_SECONDS / 3600} hours`, {
      hint: 'Use mode api.',
    });
};

const DumpDetailsSchema = z.object({ dumpUid: z.string().regex(/^[\w-]{1,64}$/) });

const checkAndCopy = async (client: Client, token: Extract<Token, { mode: 'server' }>, task: Task, context: TaskContext): Promise<Part> => {
  const { dumpUid } = DumpDetailsSchema.parse(task.details);
  const path = join(client.address.dumpDirectory ?? '/', `${dumpUid}.dump`);
  const bytes = await sizeOf(path, task);
  const checked = await checkDump(() => createReadStream(path));
  const facts = {
    kind: 'file',
    version: checked.contents.dbVersion,
    at: token.at,
    dumpUid,
    holds: secretsIn(checked.contents),
    keys: checked.contents.keys.length,
    tasks: checked.tasks,
    waiting: checked.enqueued,
  };
  const part = await copy({ phase: 'copy', offset: 0, segments: 0, bytes, path }, context, facts);
  return { ...part, digests: [...checked.digests, ...(await digestContents(checked.contents))] };
};

const sizeOf = async (path: string, task: Task): Promise<number> => {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw new LifeboatError('BackupFailed', `dump task ${task.uid} succeeded, but ${path} is not here: ${cause.code ?? cause.message}`, {
      hint: 'Is dumpDirectory the --dump-dir of this instance?',
      cause,
    });
  });
  return found.size;
};

const copy = async (
  from: Extract<z.output<typeof CursorSchema>, { phase: 'copy' }>,
  context: TaskContext,
  facts: object,
): Promise<Part> => {
  const segments: Segment[] = [];
  let { offset } = from;
  while (offset < from.bytes && (segments.length === 0 || context.budget.remaining() > 0)) {
    const end = Math.min(from.bytes, offset + PIECE_BYTES);
    segments.push(
      await context.write.write(
        ordinal((context.task + 1) * 10, from.segments + segments.length),
        createReadStream(from.path, { start: offset, end: end - 1 }),
        {
          encoding: 'identity',
          extension: 'part',
          context: { kind: 'file' },
        },
      ),
    );
    context.progress({ rows: 0, bytes: end - offset, what: from.path });
    offset = end;
  }
  const part = { segments, digests: [], facts: z.json().parse({ ...pendingCopy, ...facts }) };
  if (offset >= from.bytes) return part;
  return { ...part, next: { cursor: encode({ ...from, offset, segments: from.segments + segments.length }) } };
};

const pendingCopy = { kind: 'file', version: '', at: '', dumpUid: '', keys: 0, tasks: 0 };

const encode = (cursor: z.output<typeof CursorSchema>): Cursor => JSON.stringify(cursor) as Cursor;
