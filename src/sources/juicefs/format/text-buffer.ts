/** Bytes that are handed on once this many have gathered. */
const FLUSH_BYTES = 256 * 1024;
const SPARE_BYTES = 64 * 1024;
/** Buffers that came back and are kept. */
const KEPT_MAX = 8;

/** Gathers text and bytes; what was taken is not touched again before it is given back. */
export interface TextBuffer {
  /** Text of ASCII alone. */
  ascii(text: string): void;
  bytes(bytes: Uint8Array): void;
  utf8(text: string): void;
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
  return {
    ascii(text) {
      reserve(text.length);
      buffer.write(text, used, 'latin1');
      used += text.length;
    },
    bytes(bytes) {
      reserve(bytes.length);
      buffer.set(bytes, used);
      used += bytes.length;
    },
    utf8(text) {
      reserve(text.length * 3);
      used += buffer.write(text, used, 'utf8');
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
