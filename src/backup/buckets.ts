/** Sums by key hash: 256 of them, so that they say where two systems differ, and few enough to keep for each class. */
export const BUCKETS = 256;

/** One byte for the bucket's number, sixteen for its sum, most significant first. */
const ENTRY_BYTES = 17;

const MASK = (1n << 128n) - 1n;

/** Base64 of number and sum of each bucket that is not zero, in order. */
export const packBuckets = (sums: ReadonlyMap<number, bigint>): string => {
  const kept = [...sums].map(([bucket, sum]) => ({ bucket, sum: sum & MASK })).filter(({ sum }) => sum !== 0n);
  kept.sort((a, b) => a.bucket - b.bucket);
  const bytes = Buffer.alloc(kept.length * ENTRY_BYTES);
  for (const [i, { bucket, sum }] of kept.entries()) {
    bytes.writeUInt8(bucket, i * ENTRY_BYTES);
    bytes.writeBigUInt64BE(sum >> 64n, i * ENTRY_BYTES + 1);
    bytes.writeBigUInt64BE(sum & (MASK >> 64n), i * ENTRY_BYTES + 9);
  }
  return bytes.toString('base64');
};

/** The sums by bucket, or undefined when the text is not what `packBuckets` makes. */
export const unpackBuckets = (text: string): ReadonlyMap<number, bigint> | undefined => {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length % ENTRY_BYTES !== 0 || bytes.length > BUCKETS * ENTRY_BYTES || bytes.toString('base64') !== text) return undefined;
  const sums = new Map<number, bigint>();
  let last = -1;
  for (let at = 0; at < bytes.length; at += ENTRY_BYTES) {
    const bucket = bytes.readUInt8(at);
    const sum = (bytes.readBigUInt64BE(at + 1) << 64n) | bytes.readBigUInt64BE(at + 9);
    if (bucket <= last || sum === 0n) return undefined;
    sums.set(bucket, sum);
    last = bucket;
  }
  return sums;
};

export const totalOf = (sums: ReadonlyMap<number, bigint>): string => {
  let total = 0n;
  for (const sum of sums.values()) total += sum;
  return (total & MASK).toString(16).padStart(32, '0');
};

/** The digest that packed buckets add up to, or undefined when they are not packed buckets. */
export const bucketsSum = (text: string): string | undefined => {
  const sums = unpackBuckets(text);
  return sums === undefined ? undefined : totalOf(sums);
};
