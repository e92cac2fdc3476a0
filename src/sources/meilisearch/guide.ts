export interface GuideFacts {
  readonly version: string;
  readonly mode: 'api' | 'server';
  readonly keys: number;
  readonly holds: readonly string[];
  /** Places of secrets that the server did not show. */
  readonly missing: readonly string[];
  readonly changed: readonly string[];
}

/** RESTORE.md above the list of segments. */
export const guideOf = ({ version, mode, keys, holds, missing, changed }: GuideFacts): string =>
  [
    `They are one dump of version 6, made ${mode === 'api' ? 'over HTTP' : 'by the server'} from Meilisearch ${version}. Import it with that version or a later one.`,
    holds.length === 0 ? '' : `**This file holds secrets in clear**: ${holds.join(', ')}.`,
    `Values of API keys are not in it: they follow from the master key. Start the instance with the same master key, and its ${keys} keys have the same values again.`,
    missing.length === 0
      ? ''
      : `These secrets are missing, because the server shows them only in part. Set them again by its routes, or give them to a restore of Lifeboat as \`secrets\` of its target:\n\n${missing.map((place) => `- \`${place}\``).join('\n')}`,
    changed.length === 0
      ? ''
      : `Each index is whole, but not all are of one instant: ${changed.map((uid) => `\`${uid}\``).join(', ')} changed meanwhile.`,
    `\`\`\`sh
xargs -d '\\n' cat < segments.txt > backup.dump
MEILI_MASTER_KEY="…" meilisearch --import-dump backup.dump --db-path ./restored.ms
\`\`\`

The database folder must be absent or empty. The port is closed until the import has ended. If the import is killed, remove the
folder before trying again: Meilisearch would otherwise start with indexes that are empty.`,
  ]
    .filter((section) => section !== '')
    .join('\n\n');
