import type { RowPlaces } from '../../backup/digest.ts';
import { instantiate, memoryOf } from '../../backup/wasm-instance.ts';
import { LifeboatError } from '../../errors.ts';
import { type Column, keyRange, openEncoder } from './encoding.ts';
import { HEADER_BYTES, isEnd, PACKET_MAX, valuesOf } from './packets.ts';
import { AT, CELL, ENCODING_CODE, IN_BYTES, INDEX_WORDS, MODULE, tables } from './row-module.ts';

/** Takes what becomes of packets; all bytes are valid during the call only. */
export interface TupleSink {
  /** Tuples and their keys, one after the other. */
  rows(bytes: Buffer, places: RowPlaces): void;
  /** The tuples of the generated columns of these rows; never called for a table without any. */
  generated(bytes: Buffer, places: RowPlaces): void;
  /** The same `count` tuples with `,\n` between them. */
  tuples(bytes: Buffer, start: number, end: number, count: number): void;
}

/** Takes the bytes of a connection, cut anywhere, and answers the packet that ends the rows, without its header, once it is there. */
export interface PacketReader {
  take(bytes: Uint8Array): Buffer | undefined;
}

export interface Transcoder {
  /** For one result: the written columns come first in its packets, then the generated ones. */
  begin(columns: readonly Column[], generated: readonly Column[], key: readonly string[], sink: TupleSink): PacketReader;
}

/** Behind each tuple. */
const BETWEEN_BYTES = 2;

/** Has a memory of its own, of some megabytes: one for each connection. */
export const loadTranscoder = async (): Promise<Transcoder> => {
  const memory = memoryOf(AT.end);
  const module = await instantiate<{ rows(end: number): number }>(MODULE, memory);
  const bytes = Buffer.from(memory.buffer);
  const cells = new Int32Array(memory.buffer, AT.cells, Object.keys(CELL).length);
  const index = new Int32Array(memory.buffer, AT.index, (AT.in - AT.index) / Int32Array.BYTES_PER_ELEMENT);
  const cell = (name: keyof typeof CELL): number => cells[CELL[name]] as number;
  const { escapes, hex } = tables();
  bytes.set(escapes, AT.escapes);
  bytes.set(hex, AT.hex);

  const tell = (sink: TupleSink, derived: boolean): void => {
    const words = (cell('indexEnd') - AT.index) / Int32Array.BYTES_PER_ELEMENT;
    if (words === 0) return;
    const count = words / INDEX_WORDS;
    sink.rows(bytes, { numbers: index, count, stride: INDEX_WORDS, row: 0, key: 2 });
    if (derived) sink.generated(bytes, { numbers: index, count, stride: INDEX_WORDS, row: 4, key: 4 });
    sink.tuples(bytes, AT.out, cell('outEnd') - BETWEEN_BYTES, count);
  };

  return {
    begin(columns, generated, key, sink) {
      const all = [...columns, ...generated];
      const { from, to } = keyRange(columns, key);
      bytes.set(
        Uint8Array.from(all, ({ encoding }) => ENCODING_CODE[encoding]),
        AT.encodings,
      );
      cells[CELL.written] = columns.length;
      cells[CELL.columns] = all.length;
      cells[CELL.keyFrom] = from;
      cells[CELL.keyTo] = to;
      const large = largeRows(columns, generated, key, sink);
      /** Bytes in the input: packets that are not whole yet. */
      let held = 0;

      const transcode = (): void => {
        for (;;) {
          const next = guarded(() => module.rows(AT.in + held));
          tell(sink, generated.length > 0);
          if (next === AT.in) return;
          bytes.copyWithin(AT.in, next, AT.in + held);
          held -= next - AT.in;
        }
      };
      /** What the packet at the beginning of the input is, if it is no row that fits. */
      const afterRows = (): Buffer | undefined => {
        if (held <= HEADER_BYTES) return undefined;
        const length = bytes.readUIntLE(AT.in, 3);
        if (isEnd(bytes[AT.in + HEADER_BYTES] as number, length)) {
          const end = HEADER_BYTES + length;
          return held < end ? undefined : Buffer.from(bytes.subarray(AT.in + HEADER_BYTES, AT.in + end));
        }
        if (HEADER_BYTES + length <= IN_BYTES && length < PACKET_MAX) return undefined;
        large.begin(bytes.subarray(AT.in, AT.in + held));
        held = 0;
        return undefined;
      };
      return {
        take(incoming) {
          for (let at = 0; at < incoming.length; ) {
            if (large.isOpen()) {
              at += large.take(incoming.subarray(at));
              continue;
            }
            const taken = Math.min(incoming.length - at, IN_BYTES - held);
            bytes.set(at === 0 && taken === incoming.length ? incoming : incoming.subarray(at, at + taken), AT.in + held);
            held += taken;
            at += taken;
            transcode();
            const end = afterRows();
            if (end !== undefined) return end;
          }
          return undefined;
        },
      };
    },
  };
};

const guarded = (work: () => number): number => {
  try {
    return work();
  } catch (cause) {
    throw new LifeboatError('SourceProblem', 'the server sent a row that cannot be read', { cause });
  }
};

const onePlace = (length: number, keyStart: number, keyEnd: number): RowPlaces => ({
  numbers: Int32Array.of(0, length, keyStart, keyEnd),
  count: 1,
  stride: 4,
  row: 0,
  key: 2,
});

/** Rows that do not fit into the input, one at a time: gathered from their packets, and encoded in plain words. */
const largeRows = (columns: readonly Column[], generated: readonly Column[], key: readonly string[], sink: TupleSink) => {
  const [written, derived] = [openEncoder(columns, key), openEncoder(generated, [])];
  let row: Buffer[] | undefined;
  let header = Buffer.alloc(0);
  /** Of the packet that is being gathered. */
  let missing = 0;
  let goesOn = false;

  const finish = (parts: readonly Buffer[]): void => {
    row = undefined;
    const values = valuesOf(Buffer.concat(parts), columns.length + generated.length);
    const { row: tuple, keyStart, keyEnd } = written.encode(values, 0);
    sink.rows(tuple, onePlace(tuple.length, keyStart, keyEnd));
    if (generated.length > 0) {
      const { row: other } = derived.encode(values, columns.length);
      sink.generated(other, onePlace(other.length, 0, other.length));
    }
    sink.tuples(tuple, 0, tuple.length, 1);
  };
  /** Takes what it can of `bytes`, and says how much that was; the row ends with its last packet. */
  const take = (bytes: Uint8Array): number => {
    if (row === undefined) return 0;
    if (missing === 0) {
      const taken = Math.min(HEADER_BYTES - header.length, bytes.length);
      header = Buffer.concat([header, bytes.subarray(0, taken)]);
      if (header.length === HEADER_BYTES) {
        missing = header.readUIntLE(0, 3);
        goesOn = missing === PACKET_MAX;
        header = Buffer.alloc(0);
        if (missing === 0) finish(row);
      }
      return taken;
    }
    const taken = Math.min(missing, bytes.length);
    row.push(Buffer.from(bytes.subarray(0, taken)));
    missing -= taken;
    if (missing === 0 && !goesOn) finish(row);
    return taken;
  };
  return {
    isOpen: (): boolean => row !== undefined,
    /** `bytes` are the beginning of a packet, with its header. */
    begin(bytes: Uint8Array): void {
      row = [];
      for (let at = 0; at < bytes.length; ) at += take(bytes.subarray(at));
    },
    take,
  };
};
