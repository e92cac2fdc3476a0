import * as w from '../../../backup/wasm.ts';
import { instantiate, memoryOf } from '../../../backup/wasm-instance.ts';

/** The CRC-64 of Redis (Jones; reflected, begins with 0, is not inverted at the end): eight tables, eight bytes at a time. */

/** 0xad93d23594c935a9 with its bits in reverse order. */
const POLYNOMIAL = 0x95ac9329ac4bc9b5n;
const ENTRIES = 256;
const ENTRY_BYTES = 8;
const TABLE_BYTES = ENTRIES * ENTRY_BYTES;
const SLICES = 8;
/** Behind the tables, in the rest of the memory. */
const BYTES_AT = SLICES * TABLE_BYTES;
const PIECE_BYTES = 256 * 1024;

/** What a byte does to the sum when 0 to 7 more bytes follow it. */
const tables = (): BigUint64Array => {
  const all = new BigUint64Array(SLICES * ENTRIES);
  for (let byte = 0; byte < ENTRIES; byte++) {
    let sum = BigInt(byte);
    for (let bit = 0; bit < 8; bit++) sum = (sum & 1n) === 1n ? (sum >> 1n) ^ POLYNOMIAL : sum >> 1n;
    all[byte] = sum;
  }
  for (let at = ENTRIES; at < all.length; at++) {
    const before = all[at - ENTRIES] as bigint;
    all[at] = (before >> 8n) ^ (all[Number(before & 255n)] as bigint);
  }
  return all;
};

const [SUM, AT, LENGTH] = [0, 1, 2] as const;

/** The entry of a table for one byte of the sum. */
const entry = (slice: number, byte: number): w.Code => {
  const shifted = byte === 0 ? w.get(SUM) : w.shr64(w.get(SUM), w.i64(BigInt(8 * byte)));
  return w.load64(w.shl32(w.and32(w.wrap(shifted), w.i32(255)), w.i32(3)), slice * TABLE_BYTES);
};

const advance = (bytes: number): w.Code => [
  ...w.set(AT, w.add32(w.get(AT), w.i32(bytes))),
  ...w.set(LENGTH, w.sub32(w.get(LENGTH), w.i32(bytes))),
];

/** (sum, address, length) → sum. */
const add: w.Func = {
  params: [w.I64, w.I32, w.I32],
  results: [w.I64],
  locals: [],
  body: [
    ...w.loop(w.ge32(w.get(LENGTH), w.i32(SLICES)), [
      ...w.set(SUM, w.xor64(w.get(SUM), w.load64(w.get(AT)))),
      ...w.set(
        SUM,
        [1, 2, 3, 4, 5, 6, 7].reduce((code, byte) => w.xor64(code, entry(7 - byte, byte)), entry(7, 0)),
      ),
      ...advance(SLICES),
    ]),
    ...w.loop(w.ge32(w.get(LENGTH), w.i32(1)), [
      ...w.set(SUM, w.xor64(w.get(SUM), w.load8(w.get(AT)))),
      ...w.set(SUM, w.xor64(entry(0, 0), w.shr64(w.get(SUM), w.i64(8n)))),
      ...advance(1),
    ]),
    ...w.get(SUM),
  ],
};

const memory = memoryOf(BYTES_AT + PIECE_BYTES);
const compiled = await instantiate<{ add(sum: bigint, at: number, length: number): bigint }>(w.assemble({ add }), memory);
const bytesOfMemory = new Uint8Array(memory.buffer);
new BigUint64Array(memory.buffer).set(tables());

export interface Crc64 {
  add(bytes: Uint8Array): void;
  value(): bigint;
}

export const crc64 = (): Crc64 => {
  let sum = 0n;
  return {
    add(bytes) {
      for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
        const piece = bytes.subarray(at, at + PIECE_BYTES);
        bytesOfMemory.set(piece, BYTES_AT);
        sum = compiled.add(sum, BYTES_AT, piece.length);
      }
    },
    value: () => BigInt.asUintN(64, sum),
  };
};
