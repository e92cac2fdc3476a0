import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { decode } from '../backup/codec.ts';
import type { ClassDigest, Encoding } from '../backup/types.ts';
import { isLifeboatError, LifeboatError } from '../errors.ts';
import type { ArtifactFormat, Examined } from '../sources/artifact-format.ts';
import { kinds } from '../sources/registry.ts';
import type { Run } from './engine.ts';

/** What a format looks at, at either end of the decoded bytes. */
const EDGE_BYTES = 64 * 1024;
const READ_BYTES = 1024 * 1024;

const MAGICS: readonly (readonly [Encoding, readonly number[]])[] = [
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['gzip', [0x1f, 0x8b]],
];

export interface FileFacts {
  readonly format: string;
  readonly encoding: Encoding;
  readonly bytes: number;
  readonly rawBytes: number;
  /** Of the file as it lies there. */
  readonly sha256: string;
  /** What is in it, where its format says so. */
  readonly contents: Examined['contents'] | null;
  readonly warnings: readonly string[];
  readonly digests?: readonly ClassDigest[];
}

/** Decodes an artifact to its end. Fails with NoSuchBackup when there is no such file, with ArtifactInvalid when it is damaged or cut. */
export const verifyFile = async (path: string, cwd: string, run: Run): Promise<FileFacts> => {
  const hash = createHash('sha256');
  let bytes = 0;
  const stored = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of readChunks(resolve(cwd, path))) {
      run.signal.throwIfAborted();
      hash.update(chunk);
      bytes += chunk.length;
      run.report({ type: 'done', stage: 'verify', rows: 0, bytes: chunk.length });
      yield chunk;
    }
  };
  const encoding = await encodingOf(resolve(cwd, path), path);
  const known = await formatOfFile(path, cwd);
  if (known?.examine !== undefined) {
    let passes = 0;
    const examined = await known.examine(() => (passes++ === 0 ? stored() : readChunks(resolve(cwd, path))));
    // An examination may stop before the end of what it reads first.
    const sha256 = await hashFile(resolve(cwd, path));
    const { size } = await stat(resolve(cwd, path));
    return { format: known.format, encoding, bytes: size, sha256, ...examined };
  }
  let head: Uint8Array = new Uint8Array();
  let tail: Uint8Array = new Uint8Array();
  let rawBytes = 0;
  for await (const chunk of decode(stored(), encoding)) {
    rawBytes += chunk.length;
    if (head.length < EDGE_BYTES) head = Buffer.concat([head, chunk.subarray(0, EDGE_BYTES - head.length)]);
    tail = chunk.length >= EDGE_BYTES ? Buffer.from(chunk.subarray(-EDGE_BYTES)) : Buffer.concat([tail, chunk]).subarray(-EDGE_BYTES);
  }
  const format = formatOf(head, path);
  if (!format.isWhole(tail))
    throw new LifeboatError('ArtifactInvalid', `${path} is cut: its end is not that of a ${format.format}`, {
      hint: 'Make it again, or copy it again.',
    });
  return { format: format.format, encoding, bytes, rawBytes, sha256: hash.digest('hex'), contents: null, warnings: [] };
};

/** Of a file that can be read; undefined where nothing here knows it. Fails with NoSuchBackup. */
export const formatOfFile = async (path: string, cwd: string): Promise<ArtifactFormat | undefined> => {
  const encoding = await encodingOf(resolve(cwd, path), path);
  let head: Uint8Array = new Uint8Array();
  try {
    for await (const chunk of decode(readChunks(resolve(cwd, path)), encoding)) {
      head = Buffer.concat([head, chunk.subarray(0, EDGE_BYTES - head.length)]);
      if (head.length >= EDGE_BYTES) break;
    }
  } catch (error) {
    // Whatever could be decoded may still say what it was to be.
    if (!isLifeboatError(error, 'ArtifactInvalid')) throw error;
  }
  return kinds.flatMap((kind) => kind.artifact ?? []).find((format) => format.recognises(head));
};

const hashFile = async (path: string): Promise<string> => {
  const hash = createHash('sha256');
  for await (const chunk of readChunks(path)) hash.update(chunk);
  return hash.digest('hex');
};

const formatOf = (head: Uint8Array, path: string): ArtifactFormat => {
  const formats = kinds.flatMap((kind) => kind.artifact ?? []);
  const format = formats.find((candidate) => candidate.recognises(head));
  if (format !== undefined) return format;
  throw new LifeboatError('ArtifactInvalid', `${basename(path)} is no artifact that is known here`, {
    hint: `Known: ${formats.map((known) => known.format).join(', ')}; plain, zstd or gzip.`,
  });
};

const encodingOf = async (path: string, shown: string): Promise<Encoding> => {
  const file = await open(path).catch((cause: unknown) => {
    throw new LifeboatError('NoSuchBackup', `no backup and no file: ${shown}`, { hint: '`lifeboat list` shows the backups.', cause });
  });
  try {
    if (!(await file.stat()).isFile()) throw new LifeboatError('Usage', `not a file: ${shown}`);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
    if (bytesRead === 0) throw new LifeboatError('ArtifactInvalid', `${shown} is empty`, { hint: 'Make it again, or copy it again.' });
    return MAGICS.find(([, magic]) => magic.every((byte, index) => buffer[index] === byte))?.[0] ?? 'identity';
  } finally {
    await file.close();
  }
};

export async function* readChunks(path: string): AsyncGenerator<Uint8Array> {
  const file = await open(path);
  try {
    for (;;) {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
