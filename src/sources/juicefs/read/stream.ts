import type { DigestFactory } from '../../../backup/digest.ts';
import type { ClassDigest } from '../../../backup/types.ts';
import type { JuicefsAddress } from '../address.ts';
import type { Reader } from '../engines/reader.ts';
import { writeHead } from '../format/write-head.ts';
import type { Head } from '../model.ts';
import { openStretch, type Sink } from './document.ts';
import { findFolder, type Scope, volume, wholeStretches } from './plan.ts';
import { entryDigest, headDigests } from './rows.ts';
import { digestSink, stretchOf } from './segments.ts';

/** What an address asks for: the volume, without its trash, or one folder. */
export const scopeOf = async (address: JuicefsAddress, reader: Reader): Promise<Scope> => {
  if (!ofVolume(address)) return { trees: [{ tree: 'FSTree', root: await findFolder(reader, address.subdir ?? '/') }] };
  return volume(address.skipTrash);
};

export const ofVolume = ({ subdir }: JuicefsAddress): boolean => subdir === undefined || subdir === '/';

export const headText = (address: JuicefsAddress, head: Head): string =>
  writeHead(head, { keepSecrets: address.keepSecretKey, ofVolume: ofVolume(address) });

/** The whole document from one session, and what it held. */
export interface Streamed {
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Once the last byte was read. */
  digests(): readonly ClassDigest[];
}

export const streamDump = (address: JuicefsAddress, reader: Reader, factory: DigestFactory): Streamed => {
  const digest = entryDigest(factory);
  let digests: readonly ClassDigest[] | undefined;
  async function* bytes(): AsyncGenerator<Uint8Array> {
    const head = await reader.head();
    yield Buffer.from(headText(address, head), 'utf8');
    for (const whole of wholeStretches(await scopeOf(address, reader))) {
      const stretch = stretchOf(whole);
      const sink: Sink = digestSink(digest, stretch.root, stretch.tree);
      const read = openStretch(reader, stretch, sink);
      for (let piece = await read.next(); piece !== undefined; piece = await read.next()) yield piece;
    }
    digests = [digest.end(), ...headDigests(factory, head)];
  }
  return {
    bytes: bytes(),
    digests() {
      if (digests === undefined) throw new Error('the dump was not read to its end');
      return digests;
    },
  };
};
