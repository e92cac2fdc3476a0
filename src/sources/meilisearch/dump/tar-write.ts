/** Blocks of a tar archive, in bytes. */
export const TAR_BLOCK = 512;

/** Two blocks of zeros end an archive. */
export const TAR_END: Uint8Array = Buffer.alloc(2 * TAR_BLOCK);

/** Bytes of a name that a header holds; a longer one goes before it, as GNU tar does. */
const NAME_MAX = 100;

/** Largest size that eleven octal digits hold; above, it is written in base 256. */
const OCTAL_SIZE_MAX = 0o77777777777;

const FILE_MODE = 0o644;
const FOLDER_MODE = 0o755;
const LONG_NAME = '././@LongLink';

/** The header of a file, with its long name before it where needed. `mtime` in seconds. */
export const fileHeader = (path: string, size: number, mtime: number): Uint8Array => {
  const name = Buffer.from(path, 'utf8');
  return Buffer.concat([...longName(name), header(name, { size, mtime, type: '0', mode: FILE_MODE })]);
};

export const folderHeader = (path: string, mtime: number): Uint8Array =>
  header(Buffer.from(`${path}/`), { size: 0, mtime, type: '5', mode: FOLDER_MODE });

/** Zeros up to the next block. */
export const padding = (size: number): Uint8Array => Buffer.alloc((TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK);

/** A whole small file: header, content, padding. */
export const wholeFile = (path: string, content: Uint8Array, mtime: number): Uint8Array =>
  Buffer.concat([fileHeader(path, content.length, mtime), content, padding(content.length)]);

const longName = (name: Buffer): Uint8Array[] => {
  if (name.length <= NAME_MAX) return [];
  const content = Buffer.concat([name, Buffer.alloc(1)]);
  return [header(Buffer.from(LONG_NAME), { size: content.length, mtime: 0, type: 'L', mode: FILE_MODE }), content, padding(content.length)];
};

interface Fields {
  readonly size: number;
  readonly mtime: number;
  readonly type: string;
  readonly mode: number;
}

const header = (name: Buffer, { size, mtime, type, mode }: Fields): Uint8Array => {
  const block = Buffer.alloc(TAR_BLOCK);
  name.copy(block, 0, 0, NAME_MAX);
  block.write(octal(mode, 7), 100, 'latin1');
  block.write(octal(0, 7), 108, 'latin1');
  block.write(octal(0, 7), 116, 'latin1');
  writeSize(block, size);
  block.write(octal(mtime, 11), 136, 'latin1');
  block.write(type, 156, 'latin1');
  block.write('ustar  \0', 257, 'latin1');
  block.write(`${octal(checksum(block), 6)}\0 `, 148, 'latin1');
  return block;
};

const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0');

const writeSize = (block: Buffer, size: number): void => {
  if (size <= OCTAL_SIZE_MAX) {
    block.write(octal(size, 11), 124, 'latin1');
    return;
  }
  block.writeUInt8(0x80, 124);
  block.writeBigUInt64BE(BigInt(size), 128);
};

/** Sum of the header's bytes, with its own field as spaces. */
export const checksum = (block: Uint8Array): number => {
  let sum = 8 * 0x20;
  for (let at = 0; at < TAR_BLOCK; at++) if (at < 148 || at >= 156) sum += block[at] ?? 0;
  return sum;
};
