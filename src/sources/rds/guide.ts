import type { Reference } from './reference.ts';

/** The part of RESTORE.md about the snapshot: what it is, and how to restore it without Lifeboat. */
export const snapshotGuide = ({ arn, region, instance, engine, engineVersion, createdAt, kmsKey, copies }: Reference): string => {
  const restored = `${instance}-restored`.slice(0, 63);
  return `### From the RDS snapshot

Snapshot \`${arn}\` shows ${engine} ${engineVersion} of instance \`${instance}\` at ${createdAt}.${kmsKey === null ? '' : ` It is encrypted with \`${kmsKey}\`.`}
${copies.map((copy) => `A copy is \`${copy.arn}\`${copy.sharedWith.length > 0 ? `, shared with ${copy.sharedWith.join(', ')}` : ''}.\n`).join('')}
\`\`\`sh
aws rds restore-db-instance-from-db-snapshot --region ${region} --db-instance-identifier ${restored} --db-snapshot-identifier ${arn} --no-publicly-accessible
aws rds wait db-instance-available --region ${region} --db-instance-identifier ${restored}
\`\`\`

Give it the subnet group, the security groups and the parameter group of the old instance. The users and passwords are those of
the moment of the snapshot. Data comes from S3 when it is first read: the first reads are slow.
OpenMetadata's search index is not in the database: run \`./bootstrap/openmetadata-ops.sh reindex\` afterwards.`;
};
