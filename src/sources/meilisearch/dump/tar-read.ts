import { type ByteReader, byteReader } from './byte-reader.ts';
import { invalid } from './invalid.ts';
import { checksum, TAR_BLOCK } from './tar-write.ts';

/** Longest name of an entry, in bytes: an index uid has at most 512. */
const PATH_MAX = 4096;
/** Deepest path that Meilisearch unpacks. */
const DEPTH_MAX = 100;
/** Extended headers of one entry, in bytes. */
const EXTENDED_MAX = 1024 * 1024;
/** Entries of one archive: three files an index, and update files. */
const ENTRIES_MAX = 1_000_000;

export interface TarFile {
  /** Normalised: no `./`, no trailing slash, never outside of the archive. */
  readonly path: string;
  readonly size: number;
  /** To be read before the next entry is asked for; what is left of it is skipped. */
  readonly body: AsyncIterable<Buffer>;
}

/**
 * The files of a tar archive (ustar, pax, GNU), one after the other. Fails with ArtifactInvalid on a cut or damaged archive, on a path
 * or link that leads out of it, and on sizes no dump has.
 */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarFile> {
  const reader = byteReader(source);
  let extended: Extended = {};
  for (let entries = 0; ; entries++) {
    if (entries > ENTRIES_MAX) throw invalid(`the archive has more than ${ENTRIES_MAX} entries`);
    const block = await reader.take(TAR_BLOCK);
    // Meilisearch takes an archive without its end, so this does, too; gzip's trailer says whether bytes are missing.
    if (block === undefined) return;
    if (isZero(block)) {
      await reader.drain();
      return;
    }
    const entry = parseHeader(block);
    const size = extended.size ?? entry.size;
    switch (entry.type) {
      case 'x':
      case 'L':
        extended = { ...extended, ...(await readExtended(reader, entry)) };
        continue;
      case 'g':
      case 'K':
        await skipBody(reader, bounded(entry.size, EXTENDED_MAX, 'an extended header'));
        continue;
      case '1':
      case '2':
        throw invalid(`${shown(extended.path ?? entry.path)} is a link to ${shown(entry.link)}: links are refused`);
      case '5':
        safePath(extended.path ?? entry.path);
        await skipBody(reader, size);
        break;
      case '0':
      case '\0':
        yield* oneFile(reader, safePath(extended.path ?? entry.path), size);
        break;
      default:
        throw invalid(`${shown(extended.path ?? entry.path)} is of a kind that no dump has (type ${JSON.stringify(entry.type)})`);
    }
    extended = {};
  }
}

interface Extended {
  readonly path?: string;
  readonly size?: number;
}

async function* oneFile(reader: ByteReader, path: string, size: number): AsyncGenerator<TarFile> {
  const body = reader.stream(size);
  let left = size;
  const counted = async function* (): AsyncGenerator<Buffer> {
    for (;;) {
      const next = await body.next();
      if (next.done === true) return;
      left -= next.value.length;
      yield next.value;
    }
  };
  yield { path, size, body: counted() };
  await reader.skip(left + paddingOf(size));
}

const skipBody = (reader: ByteReader, size: number): Promise<void> => reader.skip(size + paddingOf(size));

const paddingOf = (size: number): number => (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK;

interface Header {
  readonly path: string;
  readonly size: number;
  readonly type: string;
  readonly link: string;
}

const parseHeader = (block: Buffer): Header => {
  if (Number.parseInt(text(block, 148, 8).trim(), 8) !== checksum(block)) throw invalid('a header of the tar archive is damaged');
  const isUstar = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isUstar ? text(block, 345, 155) : '';
  const name = text(block, 0, 100);
  return {
    path: prefix === '' ? name : `${prefix}/${name}`,
    size: sizeOf(block),
    type: String.fromCharCode(block[156] ?? 0),
    link: text(block, 157, 100),
  };
};

const sizeOf = (block: Buffer): number => {
  const field = block.subarray(124, 136);
  const first = field[0] ?? 0;
  if ((first & 0x80) !== 0) {
    const size = field.readBigUInt64BE(4);
    if (first !== 0x80 || size > BigInt(Number.MAX_SAFE_INTEGER) || field.readUIntBE(1, 3) !== 0)
      throw invalid('a file has an impossible size');
    return Number(size);
  }
  const digits = text(field, 0, 12).trim();
  if (!/^[0-7]*$/.test(digits)) throw invalid('a header of the tar archive has no size');
  return digits === '' ? 0 : Number.parseInt(digits, 8);
};

const readExtended = async (reader: ByteReader, { type, size }: Header): Promise<Extended> => {
  const body = (await reader.take(bounded(size, EXTENDED_MAX, 'an extended header'))) ?? Buffer.alloc(0);
  await reader.skip(paddingOf(size));
  return type === 'L' ? { path: text(body, 0, body.length) } : parsePax(body);
};

/** Records of the form `<length> <key>=<value>\n`. */
const parsePax = (body: Buffer): Extended => {
  let found: Extended = {};
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at);
    const length = space === -1 ? Number.NaN : Number(body.toString('latin1', at, space));
    if (!Number.isInteger(length) || length <= space - at + 1 || at + length > body.length) throw invalid('an extended header is damaged');
    const record = body.toString('utf8', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    const [key, value] = [record.slice(0, equals), record.slice(equals + 1)];
    if (key === 'path') found = { ...found, path: value };
    if (key === 'size') {
      if (!/^\d{1,15}$/.test(value)) throw invalid('a file has an impossible size');
      found = { ...found, size: Number(value) };
    }
    at += length;
  }
  return found;
};

const bounded = (size: number, max: number, what: string): number => {
  if (size > max) throw invalid(`${what} has ${size} bytes, more than ${max}`);
  return size;
};

/** The path within the archive. Fails with ArtifactInvalid when it would lead out of it. */
const safePath = (path: string): string => {
  if (Buffer.byteLength(path) > PATH_MAX) throw invalid('the archive has a path that is too long');
  if (path.startsWith('/') || path.includes('\\') || path.includes('\0')) throw invalid(`the archive has the path ${shown(path)}`);
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..'))
    throw invalid(`${shown(path)} leads out of the archive`, 'Somebody made this dump to write where it must not. Do not use it.');
  if (parts.length > DEPTH_MAX) throw invalid('the archive has folders that are too deep');
  return parts.join('/');
};

const shown = (path: string): string => JSON.stringify(path.slice(0, 200));

const text = (block: Buffer, start: number, length: number): string => {
  const field = block.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end === -1 ? field.length : end);
};

const isZero = (block: Buffer): boolean => block.every((byte) => byte === 0);
