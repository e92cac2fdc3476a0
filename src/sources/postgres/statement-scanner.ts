import { LifeboatError } from '../../errors.ts';

/** Statements are held whole; a pg_dump function body or view is far below this. In bytes. */
export const STATEMENT_MAX_BYTES = 64 * 1024 * 1024;
/** A psql meta-command that we tolerate is one short line. In bytes. */
const META_MAX_BYTES = 1024;
/** Keywords that matter are shorter; PostgreSQL cuts identifiers at 63 bytes. */
const WORD_MAX_BYTES = 16;

export type Scanned =
  | { readonly kind: 'sql'; readonly text: string; readonly copy: boolean }
  | { readonly kind: 'meta'; readonly text: string }
  /** The comment that pg_dump writes last. */
  | { readonly kind: 'end' };

export interface StatementScanner {
  /** Takes bytes of `block` from `at` on, up to the end of one item or of the block. */
  take(block: Uint8Array, at: number): { readonly next: number; readonly item?: Scanned };
  /** The script is over: the last item without a newline, if any; ArtifactInvalid within a statement. */
  end(): Scanned | undefined;
}

const END_COMMENT = Buffer.from('-- PostgreSQL database dump complete');
const NEWLINE = 0x0a;
const QUOTE = 0x27;
const DOUBLE = 0x22;
const DOLLAR = 0x24;
const MINUS = 0x2d;
const SLASH = 0x2f;
const STAR = 0x2a;
const SEMICOLON = 0x3b;
const BACKSLASH = 0x5c;
const OPEN = 0x28;
const CLOSE = 0x29;

const isSpace = (byte: number): boolean => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;
const isWordStart = (byte: number): boolean =>
  (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a ? byte < 0x80 : byte === 0x5f || byte >= 0x80;
const isWordPart = (byte: number): boolean => isWordStart(byte) || isDigit(byte) || byte === DOLLAR;

type State =
  | 'plain'
  | 'word'
  | 'minus'
  | 'slash'
  | 'line-comment'
  | 'comment'
  | 'quote'
  | 'escape-quote'
  | 'escape-quote-end'
  | 'double'
  | 'tag'
  | 'dollar'
  | 'meta';

/**
 * Cuts a psql script into statements by psql's own rules (psqlscan.l, standard_conforming_strings on), one byte at a time, so that
 * blocks may end anywhere. Statements come without their semicolon and without comments before them.
 */
export function statementScanner(limit = STATEMENT_MAX_BYTES): StatementScanner {
  let state: State = 'plain';
  let parts: Buffer[] = [];
  let size = 0;
  let started = false;
  let parens = 0;
  // Inside CREATE FUNCTION ... BEGIN ATOMIC, semicolons do not end the statement.
  let begins = 0;
  let words: string[] = [];
  let word = '';
  let copy = false;
  let lastWord = '';
  // Substate of comments and strings: nesting, the byte before, how much of a tag or of the last comment has matched.
  let depth = 0;
  let before = 0;
  let tag: number[] = [];
  let matched = 0;
  let commentMatched = 0;
  let gap: 'none' | 'space' | 'line' = 'none';

  const reset = (): void => {
    parts = [];
    size = 0;
    started = false;
    parens = 0;
    begins = 0;
    words = [];
    copy = false;
    lastWord = '';
  };

  const keep = (bytes: Uint8Array): void => {
    size += bytes.length;
    const most = state === 'meta' ? META_MAX_BYTES : limit;
    if (size > most) throw new LifeboatError('ArtifactInvalid', `a statement of the script is longer than ${most} bytes`);
    parts.push(Buffer.from(bytes));
  };

  const text = (): string => {
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(parts));
    } catch (cause) {
      throw new LifeboatError('ArtifactInvalid', 'a statement of the script is not UTF-8', { cause });
    }
  };

  const endWord = (): void => {
    const most = 4;
    if (words.length < most) words.push(word);
    if (words[0] === 'copy' && parens === 0 && lastWord === 'from' && word === 'stdin') copy = true;
    if (parens === 0 && isRoutine(words)) {
      if (word === 'begin' || (word === 'case' && begins > 0)) begins++;
      else if (word === 'end' && begins > 0) begins--;
    }
    lastWord = word;
  };

  /** One byte outside of strings and comments; answers whether it ended the statement. */
  const plain = (byte: number): boolean => {
    if (byte === QUOTE) state = 'quote';
    else if (byte === DOUBLE) state = 'double';
    else if (byte === MINUS) state = 'minus';
    else if (byte === SLASH) state = 'slash';
    else if (byte === DOLLAR) {
      state = 'tag';
      tag = [byte];
    } else if (isWordStart(byte)) {
      state = 'word';
      word = String.fromCharCode(byte).toLowerCase();
    } else if (byte === OPEN) parens++;
    else if (byte === CLOSE) parens = Math.max(0, parens - 1);
    else if (byte === SEMICOLON) return parens === 0 && begins === 0;
    else if (byte === BACKSLASH) throw new LifeboatError('ArtifactInvalid', 'the script has a backslash command inside a statement');
    return false;
  };

  const step = (byte: number): boolean => {
    switch (state) {
      case 'plain':
        return plain(byte);
      case 'word':
        if (isWordPart(byte)) {
          if (word.length < WORD_MAX_BYTES) word += String.fromCharCode(byte).toLowerCase();
          return false;
        }
        endWord();
        state = 'plain';
        if (byte === QUOTE && word === 'e') {
          state = 'escape-quote';
          before = 0;
          return false;
        }
        return plain(byte);
      case 'minus':
        state = 'plain';
        if (byte !== MINUS) return plain(byte);
        state = 'line-comment';
        commentMatched = 2;
        return false;
      case 'slash':
        state = 'plain';
        if (byte !== STAR) return plain(byte);
        state = 'comment';
        depth = 1;
        before = 0;
        return false;
      case 'line-comment':
        if (byte === NEWLINE) state = 'plain';
        else if (byte !== 0x0d) commentMatched = END_COMMENT[commentMatched] === byte ? commentMatched + 1 : -1;
        return false;
      case 'comment':
        if (before === SLASH && byte === STAR) depth++;
        else if (before === STAR && byte === SLASH) depth--;
        else {
          before = byte;
          return false;
        }
        before = 0;
        if (depth === 0) state = 'plain';
        return false;
      case 'quote':
        if (byte === QUOTE) state = 'plain';
        return false;
      case 'escape-quote':
        if (before === BACKSLASH) before = 0;
        else if (byte === QUOTE) {
          state = 'escape-quote-end';
          gap = 'none';
        } else before = byte;
        return false;
      case 'escape-quote-end':
        // A doubled quote, or the string goes on in another line: its escapes do, too.
        if (byte === QUOTE && gap !== 'space') {
          state = 'escape-quote';
          before = 0;
          return false;
        }
        if (isSpace(byte)) {
          gap = gap === 'line' || byte === NEWLINE ? 'line' : 'space';
          return false;
        }
        state = 'plain';
        return plain(byte);
      case 'double':
        if (byte === DOUBLE) state = 'plain';
        return false;
      case 'tag':
        if (byte === DOLLAR) {
          tag.push(byte);
          state = 'dollar';
          matched = 0;
          return false;
        }
        if (tag.length === 1 ? isWordStart(byte) : isWordStart(byte) || isDigit(byte)) {
          tag.push(byte);
          return false;
        }
        // Not a quote after all: a parameter such as $1.
        state = 'plain';
        return plain(byte);
      case 'dollar':
        if (byte === tag[matched]) matched++;
        else matched = byte === DOLLAR ? 1 : 0;
        if (matched === tag.length) state = 'plain';
        return false;
      case 'meta':
        return byte === NEWLINE;
      default:
        return state satisfies never;
    }
  };

  const finish = (): Scanned => {
    const item: Scanned = state === 'meta' ? { kind: 'meta', text: text().trimEnd() } : { kind: 'sql', text: text().trimEnd(), copy };
    state = 'plain';
    reset();
    return item;
  };

  const take: StatementScanner['take'] = (block, at) => {
    let from = at;
    for (let i = at; i < block.length; i++) {
      const byte = block[i] as number;
      if (!started) {
        if (state === 'plain') {
          if (isSpace(byte) || byte === SEMICOLON) continue;
          if (byte === BACKSLASH) {
            state = 'meta';
            started = true;
            from = i;
            continue;
          }
          if (byte !== MINUS && byte !== SLASH) {
            started = true;
            from = i;
          }
        } else if ((state === 'minus' && byte !== MINUS) || (state === 'slash' && byte !== STAR)) {
          throw new LifeboatError('ArtifactInvalid', `a statement of the script begins with an operator`);
        }
        const comment = state === 'line-comment';
        step(byte);
        if (comment && byte === NEWLINE && commentMatched === END_COMMENT.length) return { next: i + 1, item: { kind: 'end' } };
        continue;
      }
      if (step(byte)) {
        keep(block.subarray(from, i));
        return { next: i + 1, item: finish() };
      }
    }
    if (started) keep(block.subarray(from));
    return { next: block.length };
  };

  const end = (): Scanned | undefined => {
    if (started && state === 'meta') return finish();
    if (started)
      throw new LifeboatError('ArtifactInvalid', 'the script ends inside a statement', { hint: 'The file is cut: get it again.' });
    if (state === 'comment')
      throw new LifeboatError('ArtifactInvalid', 'the script ends inside a comment', { hint: 'The file is cut: get it again.' });
    return state === 'line-comment' && commentMatched === END_COMMENT.length ? { kind: 'end' } : undefined;
  };

  return { take, end };
}

/** psql's own test: only these statements can have a body of statements. */
function isRoutine(words: readonly string[]): boolean {
  if (words[0] !== 'create') return false;
  const at = words[1] === 'or' && words[2] === 'replace' ? 3 : 1;
  return words[at] === 'function' || words[at] === 'procedure';
}
