/** CRC-32C (Castagnoli), eight bytes at a time: the checksum of every block of a table. */
const POLYNOMIAL = 0x82f63b78;
const SLICES = 8;

const TABLES = (() => {
  const tables = new Int32Array(SLICES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    tables[byte] = crc;
  }
  for (let byte = 0; byte < 256; byte++) {
    for (let slice = 1; slice < SLICES; slice++) {
      const before = tables[(slice - 1) * 256 + byte] ?? 0;
      tables[slice * 256 + byte] = (tables[before & 255] ?? 0) ^ (before >>> 8);
    }
  }
  return tables;
})();

const entry = (slice: number, byte: number): number => TABLES[slice * 256 + (byte & 255)] as number;

/** Of `bytes` from `start` up to but not including `end`, as an unsigned number. */
export const crc32c = (bytes: Uint8Array, start = 0, end: number = bytes.length): number => {
  let crc = -1;
  let at = start;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (; at + SLICES <= end; at += SLICES) {
    const low = crc ^ view.getInt32(at, true);
    const high = view.getInt32(at + 4, true);
    crc =
      entry(7, low) ^
      entry(6, low >>> 8) ^
      entry(5, low >>> 16) ^
      entry(4, low >>> 24) ^
      entry(3, high) ^
      entry(2, high >>> 8) ^
      entry(1, high >>> 16) ^
      entry(0, high >>> 24);
  }
  for (; at < end; at++) crc = entry(0, crc ^ (bytes[at] as number)) ^ (crc >>> 8);
  return ~crc >>> 0;
};

/** As LevelDB stores it: rotated, so that a checksum of bytes that hold checksums is not trivial. */
export const maskedCrc32c = (bytes: Uint8Array, start = 0, end: number = bytes.length): number => {
  const crc = crc32c(bytes, start, end);
  return ((((crc >>> 15) | (crc << 17)) >>> 0) + 0xa282ead8) >>> 0;
};
