import { LifeboatError } from '../errors.ts';

/**
 * Cuts concatenated zstd frames apart (RFC 8878, section 3.1), because Node's decompressor stops after the first one without a
 * word and takes a cut frame for a whole one. Only headers are looked at: the bytes go through as they come.
 */

const FRAME_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC_MASK = 0xfffffff0;
const SKIPPABLE_MAGIC = 0x184d2a50;
const BLOCK_HEADER_BYTES = 3;
const BLOCK_TYPE_RLE = 1;
const BLOCK_TYPE_RESERVED = 3;

/** A piece of a frame; `last` marks the end of the frame. */
export interface FramePiece {
  readonly bytes: Uint8Array;
  readonly last: boolean;
}

type Expect =
  | { readonly at: 'magic' }
  | { readonly at: 'descriptor' }
  | { readonly at: 'header'; readonly bytes: number; readonly checksum: boolean }
  | { readonly at: 'block'; readonly checksum: boolean }
  | { readonly at: 'skippable-size' }
  | { readonly at: 'body'; readonly bytes: number; readonly after: Expect | 'frame-end' };

const needed = (expect: Expect): number => {
  switch (expect.at) {
    case 'magic':
    case 'skippable-size':
      return 4;
    case 'descriptor':
      return 1;
    case 'header':
      return expect.bytes;
    case 'block':
      return BLOCK_HEADER_BYTES;
    case 'body':
      return 0;
  }
};

const headerBytes = (descriptor: number): number => {
  const singleSegment = (descriptor >> 5) & 1;
  const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const sizeFlag = descriptor >> 6;
  const contentSize = sizeFlag === 0 ? singleSegment : 1 << sizeFlag;
  return (singleSegment ? 0 : 1) + dictionary + contentSize;
};

const afterFields = (expect: Expect, field: Buffer): Expect | 'frame-end' => {
  switch (expect.at) {
    case 'magic': {
      const magic = field.readUInt32LE(0);
      if (magic === FRAME_MAGIC) return { at: 'descriptor' };
      if ((magic & SKIPPABLE_MAGIC_MASK) >>> 0 === SKIPPABLE_MAGIC) return { at: 'skippable-size' };
      throw new LifeboatError('ArtifactInvalid', 'not a zstd frame where one should begin');
    }
    case 'descriptor': {
      const descriptor = field.readUInt8(0);
      return { at: 'header', bytes: headerBytes(descriptor), checksum: (descriptor & 4) !== 0 };
    }
    case 'header':
      return { at: 'block', checksum: expect.checksum };
    case 'skippable-size':
      return { at: 'body', bytes: field.readUInt32LE(0), after: 'frame-end' };
    case 'block': {
      const header = field.readUIntLE(0, BLOCK_HEADER_BYTES);
      const type = (header >> 1) & 3;
      if (type === BLOCK_TYPE_RESERVED) throw new LifeboatError('ArtifactInvalid', 'zstd block of a reserved type');
      const bytes = type === BLOCK_TYPE_RLE ? 1 : header >> 3;
      if ((header & 1) === 0) return { at: 'body', bytes, after: { at: 'block', checksum: expect.checksum } };
      return { at: 'body', bytes: bytes + (expect.checksum ? 4 : 0), after: 'frame-end' };
    }
    case 'body':
      return expect.after;
  }
};

/** Fails with ArtifactInvalid when the bytes are not whole zstd frames. */
export async function* zstdFrames(source: AsyncIterable<Uint8Array>): AsyncGenerator<FramePiece> {
  let expect: Expect = { at: 'magic' };
  let field = Buffer.alloc(0);
  let began = false;
  for await (const bytes of source) {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let start = 0;
    let offset = 0;
    while (offset < chunk.length || (expect.at === 'header' && expect.bytes === 0) || (expect.at === 'body' && expect.bytes === 0)) {
      began = true;
      let next: Expect | 'frame-end';
      if (expect.at === 'body') {
        const taken = Math.min(expect.bytes, chunk.length - offset);
        offset += taken;
        if (taken < expect.bytes) {
          expect = { at: 'body', bytes: expect.bytes - taken, after: expect.after };
          break;
        }
        next = expect.after;
      } else {
        const missing = needed(expect) - field.length;
        const piece = chunk.subarray(offset, offset + missing);
        field = field.length === 0 ? Buffer.from(piece) : Buffer.concat([field, piece]);
        offset += piece.length;
        if (field.length < needed(expect)) break;
        next = afterFields(expect, field);
        field = Buffer.alloc(0);
      }
      if (next === 'frame-end') {
        yield { bytes: chunk.subarray(start, offset), last: true };
        start = offset;
        began = false;
        expect = { at: 'magic' };
      } else {
        expect = next;
      }
    }
    if (start < chunk.length) yield { bytes: chunk.subarray(start), last: false };
  }
  if (began) throw new LifeboatError('ArtifactInvalid', 'the bytes end inside a zstd frame', { hint: 'The file or object was cut short.' });
}
