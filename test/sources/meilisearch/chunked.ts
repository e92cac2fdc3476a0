/** Uneven chunks: boundaries must not matter. */
export async function* chunked(bytes: Buffer, size = 997): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
