import { accountOf } from './names.ts';
import type { Reference } from './reference.ts';

/** The part of RESTORE.md about the snapshot: what it is, and how to restore it without Lifeboat. */
export const snapshotGuide = (reference: Reference): string => {
  const { arn, instance, engine, engineVersion, createdAt, kmsKey, copies } = reference;
  return `### From the RDS snapshot

Snapshot \`${arn}\` shows ${engine} ${engineVersion} of instance \`${instance}\` at ${createdAt}.${kmsKey === null ? '' : ` It is encrypted with \`${kmsKey}\`.`}
${copies.map(copyLine).join('')}
\`\`\`sh
${commands(reference)}
\`\`\`

Give it the subnet group, the security groups and the parameter group of the old instance. The users and passwords are those of
the moment of the snapshot. Data comes from S3 when it is first read: the first reads are slow.
OpenMetadata's search index is not in the database: run \`./bootstrap/openmetadata-ops.sh reindex\` afterwards.`;
};

const commands = ({ arn, region, instance, cluster, engine }: Reference): string => {
  const restored = `${instance.slice(0, 50)}-restored`;
  const at = `--region ${region}`;
  const made = cluster
    ? [
        `aws rds restore-db-cluster-from-snapshot ${at} --db-cluster-identifier ${restored} --snapshot-identifier ${arn} --engine ${engine}`,
        `aws rds create-db-instance ${at} --db-instance-identifier ${restored}-1 --db-cluster-identifier ${restored} --engine ${engine} --db-instance-class db.r6g.large`,
        `aws rds wait db-instance-available ${at} --db-instance-identifier ${restored}-1`,
      ]
    : [
        `aws rds restore-db-instance-from-db-snapshot ${at} --db-instance-identifier ${restored} --db-snapshot-identifier ${arn} --no-publicly-accessible`,
        `aws rds wait db-instance-available ${at} --db-instance-identifier ${restored}`,
      ];
  return made.join('\n');
};

const copyLine = ({ arn, sharedWith, role }: Reference['copies'][number]): string => {
  const shared = sharedWith.length > 0 ? `, shared with ${sharedWith.join(', ')}` : '';
  const owned = role === null ? '' : `, which belongs to account ${accountOf(arn)} (made with \`${role}\`)`;
  return `A copy is \`${arn}\`${shared}${owned}.\n`;
};
