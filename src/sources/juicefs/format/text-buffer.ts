import { escapeName, PLAIN } from './escape.ts';

/** Bytes that are handed on once this many have gathered. */
const FLUSH_BYTES = 256 * 1024;
const SPARE_BYTES = 64 * 1024;
/** Buffers that came back and are kept. */
const KEPT_MAX = 16;
/** More is copied by a call into the runtime; a loop is quicker for less. */
const SHORT_BYTES = 24;
/** Digits of the numbers that 32 bits hold for sure, and of the largest of 64 bits with its sign. */
const BILLION = 1_000_000_000;
const NUMBER_MAX_BYTES = 20;

/** Gathers text and bytes; what was taken is not touched again before it is given back. */
export interface TextBuffer {
  /** Text of ASCII alone. */
  ascii(text: string): void;
  bytes(bytes: Uint8Array): void;
  utf8(text: string): void;
  /** An integer in decimal. */
  integer(value: number | bigint): void;
  /** A name, target or value, escaped as `escapeName` does. */
  escaped(bytes: Uint8Array): void;
  readonly size: number;
  /** All that was gathered, when that is enough or `all` is asked for. */
  take(all?: boolean): Uint8Array | undefined;
  /** What was taken, once nobody reads it any more: a new buffer costs more than what is written into it. */
  giveBack(taken: Uint8Array): void;
}

export const textBuffer = (): TextBuffer => {
  const kept: Buffer[] = [];
  const fresh = (): Buffer => kept.pop() ?? Buffer.allocUnsafeSlow(FLUSH_BYTES + SPARE_BYTES);
  let buffer = fresh();
  let used = 0;
  const reserve = (more: number): void => {
    if (used + more <= buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(buffer.length * 2, used + more));
    larger.set(buffer.subarray(0, used));
    buffer = larger;
  };
  const ascii = (text: string): void => {
    reserve(text.length);
    buffer.write(text, used, 'latin1');
    used += text.length;
  };
  const put = (bytes: Uint8Array): void => {
    reserve(bytes.length);
    if (bytes.length > SHORT_BYTES) buffer.set(bytes, used);
    else for (let i = 0; i < bytes.length; i++) buffer[used + i] = bytes[i] as number;
    used += bytes.length;
  };
  /** Below a billion, with zeros in front up to `least` digits. */
  const digits = (value: number, least: number): void => {
    let count = least;
    for (let rest = value, found = 1; ; found++) {
      rest = (rest / 10) | 0;
      if (found > count) count = found;
      if (rest === 0) break;
    }
    let rest = value | 0;
    for (let at = used + count - 1; at >= used; at--) {
      const next = (rest / 10) | 0;
      buffer[at] = 48 + rest - next * 10;
      rest = next;
    }
    used += count;
  };
  return {
    ascii,
    bytes: put,
    utf8(text) {
      reserve(text.length * 3);
      used += buffer.write(text, used, 'utf8');
    },
    integer(value) {
      const near = Number(value);
      if (!Number.isSafeInteger(near)) return ascii(String(value));
      reserve(NUMBER_MAX_BYTES);
      if (near < 0) buffer[used++] = 0x2d;
      const size = near < 0 ? -near : near;
      if (size < BILLION) return digits(size, 1);
      const high = Math.floor(size / BILLION);
      digits(high, 1);
      digits(size - high * BILLION, 9);
    },
    escaped(bytes) {
      reserve(bytes.length);
      for (let i = 0; i < bytes.length; i++) {
        const byte = bytes[i] as number;
        if (PLAIN[byte] !== 1) return put(escapeName(bytes));
        buffer[used + i] = byte;
      }
      used += bytes.length;
    },
    get size() {
      return used;
    },
    take(all = false) {
      if (used === 0 || (!all && used < FLUSH_BYTES)) return undefined;
      const taken = buffer.subarray(0, used);
      buffer = fresh();
      used = 0;
      return taken;
    },
    giveBack(taken) {
      const whole = taken.buffer;
      if (whole instanceof ArrayBuffer && whole.byteLength === FLUSH_BYTES + SPARE_BYTES && kept.length < KEPT_MAX)
        kept.push(Buffer.from(whole));
    },
  };
};
