import type { ArtifactFormat } from '../contract.ts';
import { checksum, TAR_BLOCK } from './dump/tar-write.ts';

/** Names with which a dump's archive may begin; its entries have no order. */
const NAMES = /^(\.\/|\.\/?$|\._|metadata\.json|indexes|index_uuids|updates|tasks|batches|keys|instance|experimental|network|webhooks|chat-|[A-Za-z0-9_-]+\/)/;

/** A dump of Meilisearch of any version: an archive within gzip. */
export const artifactFile: ArtifactFormat = {
  format: 'Meilisearch dump',
  recognises: (head) => {
    if (head.length < TAR_BLOCK) return false;
    const block = Buffer.from(head.subarray(0, TAR_BLOCK));
    const given = Number.parseInt(block.toString('latin1', 148, 156).replaceAll('\0', '').trim(), 8);
    return given === checksum(block) && NAMES.test(block.toString('utf8', 0, Math.max(0, block.indexOf(0))));
  },
  // The archive's end is two blocks of zeros; Meilisearch itself reads one without.
  isWhole: (tail) => tail.length >= TAR_BLOCK && tail.subarray(-TAR_BLOCK).every((byte) => byte === 0),
};
