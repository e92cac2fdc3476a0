/**
 * The escape of names, targets and values in a dump: a byte that is not part of valid UTF-8, a byte up to space, `%`, `"` and `\` become
 * `%` and two upper-case hex digits. juicefs writes a valid U+FFFD as `%EF` and loses it; here it is `%EF%BF%BD`, which juicefs reads.
 */

const HEX = Buffer.from('0123456789ABCDEF', 'latin1');
const PERCENT = 0x25;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Of bytes below 0x80: whether they stand for themselves. */
export const PLAIN = new Uint8Array(256);
for (let byte = 0x21; byte < 0x80; byte++) PLAIN[byte] = byte === PERCENT || byte === QUOTE || byte === BACKSLASH ? 0 : 1;

/** The bytes themselves when there is nothing to escape. */
export const escapeName = (bytes: Uint8Array): Uint8Array => {
  let at = 0;
  while (at < bytes.length && PLAIN[bytes[at] as number] === 1) at++;
  if (at === bytes.length) return bytes;
  const out = Buffer.allocUnsafe(bytes.length * 3);
  out.set(bytes.subarray(0, at), 0);
  let end = at;
  while (at < bytes.length) {
    const byte = bytes[at] as number;
    const length = byte < 0x80 ? PLAIN[byte] : runeLength(bytes, at);
    if (length === undefined || length === 0) {
      end = putEscaped(out, end, byte);
      at++;
      continue;
    }
    if (length === 3 && byte === 0xef && bytes[at + 1] === 0xbf && bytes[at + 2] === 0xbd) {
      for (let i = 0; i < 3; i++) end = putEscaped(out, end, bytes[at + i] as number);
      at += 3;
      continue;
    }
    for (let i = 0; i < length; i++) out[end++] = bytes[at++] as number;
  }
  return out.subarray(0, end);
};

const putEscaped = (out: Buffer, at: number, byte: number): number => {
  out[at] = PERCENT;
  out[at + 1] = HEX[byte >> 4] as number;
  out[at + 2] = HEX[byte & 15] as number;
  return at + 3;
};

const isTail = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80;

/** Bytes of the UTF-8 sequence that begins here; 0 where it is invalid (overlong, a surrogate, beyond U+10FFFF, cut). */
export const runeLength = (bytes: Uint8Array, at: number): number => {
  const first = bytes[at] as number;
  if (first < 0x80) return 1;
  if (first < 0xc2) return 0;
  const second = bytes[at + 1];
  if (!isTail(second)) return 0;
  if (first < 0xe0) return 2;
  if (!isTail(bytes[at + 2])) return 0;
  const next = second as number;
  if (first < 0xf0) return (first === 0xe0 && next < 0xa0) || (first === 0xed && next > 0x9f) ? 0 : 3;
  if (first > 0xf4 || !isTail(bytes[at + 3])) return 0;
  return (first === 0xf0 && next < 0x90) || (first === 0xf4 && next > 0x8f) ? 0 : 4;
};

const nibble = (byte: number | undefined): number => {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  return byte >= 0x41 && byte <= 0x46 ? byte - 0x37 : -1;
};

/** `%` and two upper-case hex digits are a byte; anything else stands for itself, as in dumps of old that escaped less. */
export const unescapeName = (bytes: Uint8Array): Uint8Array => {
  const first = bytes.indexOf(PERCENT);
  if (first < 0) return bytes;
  const out = Buffer.allocUnsafe(bytes.length);
  let end = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    const high = byte === PERCENT ? nibble(bytes[at + 1]) : -1;
    const low = high < 0 ? -1 : nibble(bytes[at + 2]);
    if (low < 0) {
      out[end++] = byte;
      continue;
    }
    out[end++] = high * 16 + low;
    at += 2;
  }
  return out.subarray(0, end);
};
