import type { Gathered } from './gathered.ts';
import { identifier } from './sql.ts';

const OPENMETADATA = /^openmetadata\./;

/** RESTORE.md above the list of segments: what must be there first, the commands, and what to do afterwards. */
export const restoreGuide = ({ server, assertions, notIncluded }: Pick<Gathered, 'server' | 'assertions' | 'notIncluded'>): string =>
  [
    `They are a psql script of database \`${code(server.database)}\` (PostgreSQL ${server.version}, ${server.encoding}). Any server from version ${Math.floor(
      server.versionNumber / 10_000,
    )} on takes it; psql, zstd and bash are needed.`,
    roles(server),
    extensions(server),
    missing(notIncluded),
    openMetadata(assertions.some(({ name }) => OPENMETADATA.test(name))),
    command(server),
  ]
    .filter((section) => section !== '')
    .join('\n\n');

const roles = ({ roles: needed, memberships }: Gathered['server']): string => {
  if (needed.length === 0) return '';
  const lines = [
    ...needed.map(({ name, login }) => `CREATE ROLE ${identifier(name)}${login ? ' LOGIN' : ''};`),
    ...memberships.map(({ role, member }) => `GRANT ${identifier(role)} TO ${identifier(member)};`),
  ];
  return `### Roles first

The script gives objects to these roles, and stops at the first one that is not there. Create the missing ones; passwords are
not in the backup.

${block('sql', lines)}`;
};

const extensions = ({ extensions: used }: Gathered['server']): string =>
  used.length === 0
    ? ''
    : `### Extensions

The server must have these installed; the script creates them: ${used.map(({ name, version }) => `\`${code(name)}\` ${version}`).join(', ')}.`;

const missing = (notIncluded: Readonly<Record<string, string>>): string => {
  const entries = Object.entries(notIncluded);
  return entries.length === 0 ? '' : `### Not in the backup\n\n${entries.map(([what, count]) => `- ${what}: ${count}`).join('\n')}`;
};

const openMetadata = (present: boolean): string =>
  present
    ? `### OpenMetadata

Start the same version of OpenMetadata on the restored database; an upgrade comes afterwards (\`./bootstrap/openmetadata-ops.sh migrate\`).
Its search index is not in the backup: run \`./bootstrap/openmetadata-ops.sh reindex\`. Secrets in the database are encrypted with
the Fernet key of the old server (\`FERNET_KEY\`): without the same key, services and bots must be set up anew. Test the
connection of one service to see that the key fits.`
    : '';

const command = ({ encoding, collate, ctype, localeProvider, locale, database }: Gathered['server']): string => {
  const provider = PROVIDERS[localeProvider]?.(quoted(locale ?? '')) ?? '';
  return `### Restore

Into an empty database. The whole is one transaction: when anything is missing, nothing stays. \`psql\` must end with 0.

${block('sh', [
  `psql -X -v ON_ERROR_STOP=1 -d postgres <<'SQL'`,
  `CREATE DATABASE ${identifier(`${database}_restored`)} TEMPLATE template0 ENCODING ${quoted(encoding)} LC_COLLATE ${quoted(collate)} LC_CTYPE ${quoted(ctype)}${provider};`,
  'SQL',
  'set -o pipefail',
  `xargs -d '\\n' cat < segments.txt | zstd -dcq | psql -X -q -o /dev/null -v ON_ERROR_STOP=1 -d ${shell(`${database}_restored`)}`,
])}`;
};

/** Of `pg_database.datlocprovider`; libc needs no word. */
const PROVIDERS: Readonly<Record<string, (locale: string) => string>> = {
  i: (locale) => ` LOCALE_PROVIDER icu ICU_LOCALE ${locale}`,
  b: (locale) => ` LOCALE_PROVIDER builtin BUILTIN_LOCALE ${locale}`,
};

/** A fence longer than any in the text. */
const block = (language: string, lines: readonly string[]): string => {
  const longest = Math.max(2, ...[...lines.join('\n').matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${lines.join('\n')}\n${fence}`;
};

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const shell = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
const code = (text: string): string => text.replaceAll('`', "'");
