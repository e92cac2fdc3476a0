import { LifeboatError } from '../../errors.ts';

/** Bytes of one statement: what a server takes at most (max_allowed_packet). */
const STATEMENT_MAX_BYTES = 1024 * 1024 * 1024;

const code = (character: string): number => character.charCodeAt(0);
const NEWLINE = code('\n');
const BACKSLASH = code('\\');
const SLASH = code('/');
const STAR = code('*');
const DASH = code('-');
const HASH = code('#');
const BANG = code('!');
const QUOTES = new Set(["'", '"', '`'].map(code));
const BACKTICK = code('`');

const DELIMITER = /^\s*delimiter\s+(\S+)\s*$/i;
const DELIMITER_BEGUN = /^\s*delimiter\b/i;
/** A `DELIMITER` line is never longer. */
const DELIMITER_LINE_MAX = 64;

type State = 'text' | 'quote' | 'escaped' | 'line comment' | 'block comment';

/**
 * The statements of a script as the stock client would send them: our artifacts, and mysqldump's. Fails with ArtifactInvalid when the
 * script ends within one.
 */
export async function* readStatements(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const scanner = statementScanner();
  for await (const block of bytes) yield* scanner.take(Buffer.from(block.buffer, block.byteOffset, block.byteLength));
  scanner.end();
}

function statementScanner() {
  let state: State = 'text';
  let quote = 0;
  let previous = 0;
  let delimiter = Buffer.from(';');
  let matched = 0;
  /** Something else than blanks and comments was seen since the last statement. */
  let meaningful = false;
  let parts: Buffer[] = [];
  let length = 0;
  /** Directly before this byte. */
  let dashes = 0;

  const take = function* (block: Buffer): Generator<string> {
    let from = 0;
    const keep = (to: number): void => {
      if (to === from) return;
      parts.push(block.subarray(from, to));
      length += to - from;
      from = to;
      if (length > STATEMENT_MAX_BYTES)
        throw new LifeboatError('ArtifactInvalid', 'a statement of the script is larger than any server takes');
    };
    const cut = (to: number, without: number): string => {
      keep(to);
      const text = Buffer.concat(parts).toString('utf8', 0, length - without);
      parts = [];
      length = 0;
      meaningful = false;
      return text;
    };
    for (let at = 0; at < block.length; at++) {
      // Most of a script is text in quotes.
      if (state === 'quote') at = endOfText(block, at, quote);
      if (at === block.length) {
        previous = 0;
        break;
      }
      const byte = block[at] as number;
      switch (state) {
        case 'quote':
          if (byte === quote) state = 'text';
          else if (byte === BACKSLASH && quote !== BACKTICK) state = 'escaped';
          break;
        case 'escaped':
          state = 'quote';
          break;
        case 'line comment':
          if (byte === NEWLINE) state = 'text';
          break;
        case 'block comment':
          // An executable comment is a statement.
          if (previous === STAR && byte === BANG && !meaningful) meaningful = true;
          else if (previous === STAR && byte === SLASH) state = 'text';
          break;
        case 'text': {
          matched = byte === delimiter[matched] ? matched + 1 : byte === delimiter[0] ? 1 : 0;
          if (matched === delimiter.length) {
            matched = 0;
            keep(at + 1);
            if (length <= DELIMITER_LINE_MAX && DELIMITER_BEGUN.test(Buffer.concat(parts).toString('latin1'))) break;
            const worth = meaningful;
            const text = cut(at + 1, delimiter.length);
            if (worth) yield text.trim();
            break;
          }
          if (byte === NEWLINE) {
            // An empty comment: `--` alone in its line ends with it.
            keep(at + 1);
            const line = length <= DELIMITER_LINE_MAX ? DELIMITER.exec(Buffer.concat(parts).toString('latin1')) : null;
            if (line !== null) {
              cut(at + 1, 0);
              delimiter = Buffer.from(line[1] ?? ';', 'latin1');
            }
          } else if (QUOTES.has(byte)) {
            state = 'quote';
            quote = byte;
            meaningful = true;
          } else if (byte === HASH || (dashes >= 2 && (byte === 0x20 || byte === 0x09))) state = 'line comment';
          else if (previous === SLASH && byte === STAR) state = 'block comment';
          else if (byte > 0x20 && byte !== DASH && byte !== SLASH) meaningful = true;
          break;
        }
      }
      dashes = byte === DASH && state === 'text' ? dashes + 1 : 0;
      previous = byte;
    }
    keep(block.length);
  };
  return {
    take,
    end(): void {
      if (state !== 'text' && state !== 'line comment') throw cut();
      if (meaningful) throw cut();
    },
  };
}

/** The next byte that means something within quotes, or the end of the block. */
const endOfText = (block: Buffer, from: number, quote: number): number => {
  let at = from;
  while (at < block.length && block[at] !== quote && block[at] !== BACKSLASH) at++;
  return at;
};

const cut = (): LifeboatError =>
  new LifeboatError('ArtifactInvalid', 'the script ends within a statement', { hint: 'The file is cut: get it again.' });
