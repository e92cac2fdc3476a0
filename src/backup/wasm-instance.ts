/** The part of the WebAssembly API that is used here; the types of Node leave it out. */
declare const WebAssembly: {
  readonly Memory: new (size: { readonly initial: number }) => Memory;
  instantiate(
    module: Uint8Array<ArrayBuffer>,
    imports: { readonly env: { readonly memory: Memory } },
  ): Promise<{ readonly instance: { readonly exports: unknown } }>;
};

export interface Memory {
  readonly buffer: ArrayBuffer;
  /** By pages; the buffer is another one afterwards. */
  grow(pages: number): number;
}

const PAGE_BYTES = 64 * 1024;

export const memoryOf = (bytes: number): Memory => new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE_BYTES) });

/** Makes room up to `bytes`. */
export const growTo = (memory: Memory, bytes: number): void => {
  const missing = bytes - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
};

/** The functions of a module that `assemble` made, over this memory. */
export const instantiate = async <Exports>(module: Uint8Array<ArrayBuffer>, memory: Memory): Promise<Exports> => {
  const { instance } = await WebAssembly.instantiate(module, { env: { memory } });
  return instance.exports as Exports;
};
