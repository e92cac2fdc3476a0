import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import type { ArtifactFormat } from '../artifact-format.ts';
import { checksum, TAR_BLOCK } from './dump/tar-write.ts';

/** Names with which a dump's archive may begin; its entries have no order. */
const NAMES =
  /^(\.\/|\.\/?$|\._|metadata\.json|indexes|index_uuids|updates|tasks|batches|keys|instance|experimental|network|webhooks|chat-|[A-Za-z0-9_-]+\/)/;

const OUTPUT_CHUNK_BYTES = 1024 * 1024;

/** A dump of Meilisearch of any version: an archive within gzip. */
export const artifactFile: ArtifactFormat = {
  format: 'Meilisearch dump',
  recognises: (head) => {
    if (head.length < TAR_BLOCK) return false;
    const block = Buffer.from(head.subarray(0, TAR_BLOCK));
    const given = Number.parseInt(block.toString('latin1', 148, 156).replaceAll('\0', '').trim(), 8);
    return given === checksum(block) && NAMES.test(block.toString('utf8', 0, Math.max(0, block.indexOf(0))));
  },
  // Its length and checksum say so, which `examine` looks at: an archive may go without its end.
  isWhole: () => true,
  examine: async (open) => (await import('./dump/examine.ts')).examineDump(open),
  upgrade: async (open) => {
    const { upgradeDump } = await import('./dump/upgrade/upgrade.ts');
    const { result, tar } = await upgradeDump(open, { now: new Date(), newUid: randomUUID });
    const { notes, ...summary } = result;
    const gzip = createGzip({ chunkSize: OUTPUT_CHUNK_BYTES });
    const source = Readable.from(tar, { objectMode: false });
    source.on('error', (error) => gzip.destroy(error));
    return { summary, notes, bytes: source.pipe(gzip) };
  },
};
