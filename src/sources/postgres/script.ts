import { LifeboatError } from '../../errors.ts';
import { type Scanned, statementScanner } from './statement-scanner.ts';

/** `rows` is the COPY data without its `\.` line, in blocks that end anywhere; it must be read to its end before the next item. */
export type ScriptItem =
  | { readonly kind: 'sql'; readonly text: string }
  | { readonly kind: 'copy'; readonly statement: string; readonly rows: AsyncIterable<Uint8Array> }
  | { readonly kind: 'meta'; readonly text: string }
  /** pg_dump's last comment: the script is whole. */
  | { readonly kind: 'end' };

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const TERMINATOR = Buffer.from('\n\\.');
/** The terminator and the longest line end after it. */
const TERMINATOR_MAX_BYTES = 5;

/** What of psql's own language a script may use; all of it is without effect here. */
const TOLERATED = /^\\(?:set\s+ON_ERROR_STOP\s+(?:on|1)|(?:un)?restrict\s+\w+)$/;

/**
 * Reads a psql script: our artifacts and pg_dump's plain format. Fails with ArtifactInvalid when the script ends within a
 * statement or within COPY data, or uses a command of psql that we do not know.
 */
export async function* readScript(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<ScriptItem, void> {
  const input = openInput(bytes);
  const scanner = statementScanner();
  try {
    while (await input.fill()) {
      const { next, item } = scanner.take(input.block, input.at);
      input.at = next;
      if (item === undefined) continue;
      if (item.kind === 'sql' && item.copy) yield* copyItem(item.text, input);
      else yield scriptItem(item);
    }
    const last = scanner.end();
    if (last !== undefined) yield scriptItem(last);
  } finally {
    await input.close();
  }
}

function scriptItem(item: Scanned): ScriptItem {
  if (item.kind === 'sql') return { kind: 'sql', text: item.text };
  if (item.kind === 'meta' && !TOLERATED.test(item.text)) {
    const name = item.text.split(/\s/, 1)[0] ?? '';
    throw new LifeboatError('ArtifactInvalid', `the script uses ${name}, which only psql knows`, {
      hint: 'Run it with psql -X -v ON_ERROR_STOP=1.',
    });
  }
  return item;
}

async function* copyItem(statement: string, input: Input): AsyncGenerator<ScriptItem, void> {
  await skipLineEnd(input);
  const state = { ended: false };
  yield { kind: 'copy', statement, rows: copyRows(input, state) };
  if (!state.ended) throw new Error('the rows of a COPY were not read to their end');
}

async function skipLineEnd(input: Input): Promise<void> {
  while (await input.fill()) {
    const byte = input.block[input.at++];
    if (byte === NEWLINE) return;
    if (byte !== 0x20 && byte !== 0x09 && byte !== CARRIAGE_RETURN) {
      throw new LifeboatError('ArtifactInvalid', 'the script goes on in the line of a COPY ... FROM stdin');
    }
  }
  throw cutInCopy();
}

async function* copyRows(input: Input, state: { ended: boolean }): AsyncGenerator<Uint8Array, void> {
  // The terminator is a line of its own; the first line has no newline before it, so that one is lent.
  let carry: Uint8Array = Buffer.from('\n');
  let lent = 1;
  for (;;) {
    const more = await input.fill();
    const fresh = more ? input.block.subarray(input.at) : Buffer.alloc(0);
    const block = carry.length === 0 ? fresh : Buffer.concat([carry, fresh]);
    const found = findTerminator(block, !more);
    if (found !== undefined) {
      if (found.at + 1 > lent) yield block.subarray(lent, found.at + 1);
      input.at += found.end - carry.length;
      state.ended = true;
      return;
    }
    if (!more) throw cutInCopy();
    input.at = input.block.length;
    const keep = heldBack(block);
    const split = Math.max(lent, block.length - keep);
    // Never give away the lent newline: it stays in front of what is held back.
    if (lent === 1 && split === 1) carry = block;
    else {
      if (split > lent) yield block.subarray(lent, split);
      carry = block.subarray(split);
      lent = 0;
    }
  }
}

interface Terminator {
  /** Of the newline before it. */
  readonly at: number;
  readonly end: number;
}

/** `whole`: nothing follows the block, so the terminator may lack its own line end. */
function findTerminator(block: Uint8Array, whole: boolean): Terminator | undefined {
  const bytes = Buffer.from(block.buffer, block.byteOffset, block.byteLength);
  for (let at = bytes.indexOf(TERMINATOR); at >= 0; at = bytes.indexOf(TERMINATOR, at + 1)) {
    const after = at + TERMINATOR.length;
    if (bytes[after] === NEWLINE) return { at, end: after + 1 };
    if (bytes[after] === CARRIAGE_RETURN && bytes[after + 1] === NEWLINE) return { at, end: after + 2 };
    if (whole && after === bytes.length) return { at, end: after };
  }
  return undefined;
}

/** How many of the last bytes may be the beginning of a terminator. */
function heldBack(block: Uint8Array): number {
  const tail = Buffer.from(block.subarray(Math.max(0, block.length - TERMINATOR_MAX_BYTES + 1))).toString('latin1');
  return /\n(?:\\(?:\.\r?)?)?$/.exec(tail)?.[0].length ?? 0;
}

const cutInCopy = (): LifeboatError =>
  new LifeboatError('ArtifactInvalid', 'the script ends inside the data of a COPY', { hint: 'The file is cut: get it again.' });

interface Input {
  block: Uint8Array;
  at: number;
  /** Makes sure that there is a byte at `at`; false at the end of the input. */
  fill(): Promise<boolean>;
  close(): Promise<void>;
}

function openInput(bytes: AsyncIterable<Uint8Array>): Input {
  const source = bytes[Symbol.asyncIterator]();
  let over = false;
  const input: Input = {
    block: new Uint8Array(0),
    at: 0,
    fill: async () => {
      while (!over && input.at >= input.block.length) {
        const { done, value } = await source.next();
        if (done === true) over = true;
        else {
          input.block = value;
          input.at = 0;
        }
      }
      return !over;
    },
    close: async () => {
      if (!over) await source.return?.();
    },
  };
  return input;
}
