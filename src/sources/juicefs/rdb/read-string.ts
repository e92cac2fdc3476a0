import { damaged } from './damage.ts';
import { expandLzf } from './lzf.ts';
import type { Window } from './window.ts';

/** Longest string that is held; what juicefs keeps is far shorter, also where a whole hash is one string. In bytes. */
const STRING_MAX_BYTES = 64 * 1024 * 1024;

const LENGTH = { six: 0, fourteen: 1, wide: 2, special: 3 } as const;
const WIDE = { bits32: 0x80, bits64: 0x81 } as const;
const SPECIAL = { int8: 0, int16: 1, int32: 2, lzf: 3 } as const;

/** A length, or where it says so a special encoding of a string as −1 − encoding. */
const lengthOrSpecial = (window: Window): number => {
  const first = window.u8();
  const kind = first >> 6;
  if (kind === LENGTH.six) return first & 0x3f;
  if (kind === LENGTH.fourteen) return ((first & 0x3f) << 8) | window.u8();
  if (kind === LENGTH.special) return -1 - (first & 0x3f);
  if (first === WIDE.bits32) return window.bytes(4, 4).readUInt32BE(0);
  if (first === WIDE.bits64) return Number(window.bytes(8, 8).readBigUInt64BE(0));
  throw damaged(`a length that begins with ${first}`, window.position);
};

/** Beyond 2^53 it is not exact; nothing that is counted here can be so many. */
export const readLength = (window: Window): number => {
  const length = lengthOrSpecial(window);
  if (length < 0) throw damaged('a string where a length belongs', window.position);
  return length;
};

export const readString = (window: Window): Buffer => {
  const length = lengthOrSpecial(window);
  if (length >= 0) return window.bytes(length, STRING_MAX_BYTES);
  switch (-1 - length) {
    case SPECIAL.int8:
      return Buffer.from(String(window.bytes(1, 1).readInt8(0)), 'latin1');
    case SPECIAL.int16:
      return Buffer.from(String(window.bytes(2, 2).readInt16LE(0)), 'latin1');
    case SPECIAL.int32:
      return Buffer.from(String(window.bytes(4, 4).readInt32LE(0)), 'latin1');
    case SPECIAL.lzf: {
      const packed = readLength(window);
      const whole = readLength(window);
      const at = window.position;
      if (whole > STRING_MAX_BYTES) throw damaged(`a compressed string of ${whole} bytes`, at);
      const expanded = expandLzf(window.bytes(packed, STRING_MAX_BYTES), whole);
      if (expanded === undefined) throw damaged('a compressed string that does not expand', at);
      return expanded;
    }
    default:
      throw damaged(`a string of the encoding ${-1 - length}`, window.position);
  }
};

const SPECIAL_BYTES: ReadonlyMap<number, number> = new Map([
  [SPECIAL.int8, 1],
  [SPECIAL.int16, 2],
  [SPECIAL.int32, 4],
]);

export const skipString = (window: Window): void => {
  let length = lengthOrSpecial(window);
  if (length < 0) {
    const encoding = -1 - length;
    const fixed = SPECIAL_BYTES.get(encoding);
    if (fixed === undefined && encoding !== SPECIAL.lzf) throw damaged(`a string of the encoding ${encoding}`, window.position);
    length = fixed ?? readLength(window);
    if (fixed === undefined) readLength(window);
  }
  window.skip(length);
};
