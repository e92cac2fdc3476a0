import { parentPort, workerData } from 'node:worker_threads';
import { loadDigest } from '../../../backup/digest.ts';
import { isLifeboatError } from '../../../errors.ts';
import type { Reader } from '../engines/reader.ts';
import { sqlReader } from '../engines/sql-reader.ts';
import { openSqlite } from '../engines/sqlite.ts';
import { textBuffer } from '../format/text-buffer.ts';
import { keepHeapSmall } from '../heap.ts';
import { openStretch } from './document.ts';
import { entryDigest } from './rows.ts';
import { digestSink } from './segments.ts';
import { AHEAD_BYTES, type FromThread, type ThreadData, type ToThread } from './two-threads.ts';

/** The other thread of a dump: reads stretches, as it is told, at the instant at which it was told to begin. */

const port = parentPort;
if (port === null) throw new Error('this is a thread');
keepHeapSmall();
const { path, prefix } = workerData as ThreadData;
const digest = entryDigest(await loadDigest());
const out = textBuffer();
let reader: Reader | undefined;
/** Bytes that were sent and not given back. */
let ahead = 0;
let wake: () => void = () => {};

const send = (message: FromThread, moved: ArrayBuffer[] = []): void => port.postMessage(message, moved);

const begin = async (): Promise<void> => {
  const session = openSqlite({ path, prefix });
  await session.beginReading();
  send({ kind: 'begun' });
  reader = await sqlReader(session, await session.tables());
};

const read = async ({ number, stretch }: Extract<ToThread, { kind: 'read' }>): Promise<void> => {
  if (reader === undefined) throw new Error('a stretch before the beginning');
  const from = openStretch(reader, stretch, digestSink(digest, stretch.root, stretch.tree), out);
  for (let text = await from.next(); text !== undefined; text = await from.next()) {
    ahead += text.byteLength;
    send({ kind: 'text', number, text, entries: from.entries }, [text.buffer as ArrayBuffer]);
    while (ahead > AHEAD_BYTES) await new Promise<void>((resolve) => (wake = resolve));
  }
  send({ kind: 'ended', number });
};

const obey = async (message: Exclude<ToThread, { kind: 'back' }>): Promise<void> => {
  if (message.kind === 'begin') return begin();
  if (message.kind === 'read') return read(message);
  await reader?.close();
  send({ kind: 'done', digest: digest.end() });
};

let before: Promise<void> = Promise.resolve();
port.on('message', (message: ToThread) => {
  if (message.kind === 'back') {
    ahead -= message.bytes;
    out.giveBack(message.text);
    wake();
    return;
  }
  before = before
    .then(() => obey(message))
    .catch((error: unknown) => {
      const { name, message: text } = error instanceof Error ? error : new Error(String(error));
      send({
        kind: 'failed',
        failure: isLifeboatError(error)
          ? { code: error.code, message: text, hint: error.hint }
          : { code: undefined, message: `${name}: ${text}`, hint: '' },
      });
    });
});
send({ kind: 'ready' });
