import { invalid } from './invalid.ts';

/** Takes bytes from a stream in the amounts that a parser asks for; holds one chunk. */
export interface ByteReader {
  /** Exactly `bytes`, or undefined at the end of the stream; fails with ArtifactInvalid when it ends within them. */
  take(bytes: number): Promise<Buffer | undefined>;
  /** The next `bytes`, chunk by chunk; fails with ArtifactInvalid when the stream ends before. */
  stream(bytes: number): AsyncGenerator<Buffer>;
  skip(bytes: number): Promise<void>;
  /** Reads on to the end of the stream, so that whoever decodes it comes to its checksum. */
  drain(): Promise<void>;
}

export const byteReader = (source: AsyncIterable<Uint8Array>): ByteReader => {
  const chunks = source[Symbol.asyncIterator]();
  let held: Buffer = Buffer.alloc(0);

  const more = async (): Promise<boolean> => {
    const next = await chunks.next();
    if (next.done === true) return false;
    const bytes = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
    held = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
    return true;
  };
  async function* stream(bytes: number): AsyncGenerator<Buffer> {
    for (let left = bytes; left > 0; ) {
      if (held.length === 0 && !(await more())) throw cut();
      const part = held.subarray(0, Math.min(left, held.length));
      held = held.subarray(part.length);
      left -= part.length;
      if (part.length > 0) yield part;
    }
  }
  return {
    async take(bytes) {
      while (held.length < bytes) if (!(await more())) break;
      if (held.length === 0) return undefined;
      if (held.length < bytes) throw cut();
      const taken = held.subarray(0, bytes);
      held = held.subarray(bytes);
      return taken;
    },
    stream,
    async skip(bytes) {
      for await (const _ of stream(bytes));
    },
    async drain() {
      do held = Buffer.alloc(0);
      while (await more());
    },
  };
};

const cut = () => invalid('the tar archive is cut');
