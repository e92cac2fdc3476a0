/** LZF as Redis compresses strings with it. Undefined when the bytes do not make `length` bytes. */
export const expandLzf = (input: Uint8Array, length: number): Buffer | undefined => {
  const out = Buffer.allocUnsafe(length);
  let from = 0;
  let to = 0;
  while (from < input.length) {
    const control = input[from++] as number;
    if (control < 32) {
      const literals = control + 1;
      if (from + literals > input.length || to + literals > length) return undefined;
      for (let i = 0; i < literals; i++) out[to++] = input[from++] as number;
      continue;
    }
    let count = control >> 5;
    if (count === 7) {
      if (from >= input.length) return undefined;
      count += input[from++] as number;
    }
    if (from >= input.length) return undefined;
    let source = to - ((control & 31) << 8) - (input[from++] as number) - 1;
    count += 2;
    if (source < 0 || to + count > length) return undefined;
    // Source and destination may overlap: what was just written is read again.
    for (let i = 0; i < count; i++) out[to++] = out[source++] as number;
  }
  return to === length ? out : undefined;
};
