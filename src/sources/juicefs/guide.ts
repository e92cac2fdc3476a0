import type { PointInTime } from '../../backup/types.ts';
import type { HeadFacts } from './conclude.ts';

/** RESTORE.md above the list of segments. */
export const restoreGuide = (head: HeadFacts, consistency: PointInTime['consistency']): string => `
The segments, one after the other, are one JSON document as \`juicefs dump\` writes it, of the volume \`${head.name}\` (${head.uuid}).

1. Choose an **empty** metadata engine, and take every client of the old one offline: two engines on one bucket destroy each other's objects.
2. Load through stdin: juicefs reads only the first zstd frame of a file.
${head.secretsRemoved.length === 0 ? '3. The secrets of the object storage are in the backup.' : `3. Set what is not in the backup (${head.secretsRemoved.join(', ')}): \`juicefs config META --secret-key …\`.`}
4. Look for blocks that are gone: \`juicefs fsck META\`. Objects of files deleted more than ${head.trashDays} days before the backup are gone; what was deleted or
   compacted since the backup may be gone, too, once ${head.trashDays} days have passed.
5. No dump of juicefs has the chunks of ${head.delFiles} files that waited to be deleted, of ${head.sustained} inodes that were kept open, and of slices that were compacted: their
   objects stay in the bucket, and cost, until \`juicefs gc META\` finds them. With --delete it also removes all that is newer than this backup.
${consistency === 'fuzzy' ? '\nThis backup is **fuzzy**: Redis was written to while it was read, so a file that was renamed meanwhile may be missing or doubled.\n' : ''}
    cat $(the segments below, in order) | zstd -dc | juicefs load META
`;
