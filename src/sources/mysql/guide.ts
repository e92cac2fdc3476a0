import { MARKER } from './catalog.ts';
import type { Gathered } from './gathered.ts';
import { identifier } from './sql.ts';

const OPENMETADATA = /^openmetadata\./;

/** RESTORE.md above the list of segments: what must be there first, the commands, and what to do afterwards. */
export const restoreGuide = ({ server, passed, assertions }: Pick<Gathered, 'server' | 'passed' | 'assertions'>): string =>
  [
    `They are a script for the \`mysql\` (or \`mariadb\`) client, of database \`${code(server.database)}\` on ${server.product} ${server.version}. A server of the same product, not older, takes it; the client, zstd and bash are needed.`,
    `### The instant

${howPassed(passed)}${passed.gtid === null ? '' : ` GTID: \`${code(passed.gtid)}\`.`}${
  passed.binlog === null ? '' : ` Binary log: \`${code(passed.binlog.file)}\` at ${passed.binlog.position}.`
}`,
    `### Definers

Views, routines, triggers and events belong to the users that they belonged to. To restore as a user who may not do that (on RDS), put
\`sed -E 's/DEFINER=\`[^\`]*\`@\`[^\`]*\`//'\` between zstd and the client: but only if no row contains such a text.`,
    assertions.some(({ name }) => OPENMETADATA.test(name)) ? openMetadata : '',
    command(server),
  ]
    .filter((section) => section !== '')
    .join('\n\n');

const howPassed = ({ way, lanes, lockedMs, kept }: Gathered['passed']): string => {
  if (way === 'quiesced') return 'Nobody wrote to the server that was read: a clone of a snapshot, whose instant it is.';
  const read = `${lanes} ${lanes === 1 ? 'connection' : 'connections'} read at it.`;
  if (way === 'binlog-snapshot') return `${read} Nothing was locked: all stood at the same position of the binary log.`;
  const locked = way === 'lock-tables' ? 'The tables were locked against writing' : 'The whole server was locked against writing';
  const others =
    kept === null
      ? ''
      : ` Until they were read, ${kept.lockedMs} ms, tables without snapshots were locked: ${kept.tables.map((name) => `\`${code(name)}\``).join(', ')}.`;
  return `${read} ${locked} for ${lockedMs} ms.${others}`;
};

const openMetadata = `### OpenMetadata

Start the same version of OpenMetadata on the restored database; an upgrade comes afterwards (\`./bootstrap/openmetadata-ops.sh migrate\`).
Its search index is not in the backup: run \`./bootstrap/openmetadata-ops.sh reindex\`. Secrets in the database are encrypted with
the Fernet key of the old server (\`FERNET_KEY\`): without the same key, services and bots must be set up anew. Test the
connection of one service to see that the key fits.`;

const command = ({ database, charset, collation }: Gathered['server']): string => {
  const restored = `${database}_restored`;
  return `### Restore

Into an empty database. This client stops at the first error, but what it did until then stays: \`mysql\` must end with 0, and the last
command must print one line. If not, drop the database and begin anew.

${block([
  `mysql -e ${shell(`CREATE DATABASE ${identifier(restored)} CHARACTER SET ${charset} COLLATE ${collation}`)}`,
  'set -o pipefail',
  `xargs -d '\\n' cat < segments.txt | zstd -dcq | mysql --binary-mode --comments --default-character-set=utf8mb4 ${shell(restored)}`,
  `mysql -N -e ${shell(`SELECT detail FROM ${MARKER} WHERE item = 'complete'`)} ${shell(restored)}`,
  `mysql -e ${shell(`DROP TABLE ${MARKER}`)} ${shell(restored)}`,
])}`;
};

/** A fence longer than any in the text. */
const block = (lines: readonly string[]): string => {
  const longest = Math.max(2, ...[...lines.join('\n').matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}sh\n${lines.join('\n')}\n${fence}`;
};

const shell = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
const code = (text: string): string => text.replaceAll('`', "'");
