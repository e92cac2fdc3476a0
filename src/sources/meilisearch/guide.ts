export interface GuideFacts {
  readonly version: string;
  readonly mode: 'api' | 'server';
  readonly keys: number;
  readonly redacted: number;
  readonly changed: readonly string[];
}

/** RESTORE.md above the list of segments. */
export const guideOf = ({ version, mode, keys, redacted, changed }: GuideFacts): string =>
  [
    `They are one dump of version 6, made ${mode === 'api' ? 'over HTTP' : 'by the server'} from Meilisearch ${version}. Import it with that version or a later one.`,
    `**This file holds secrets**: remote keys and headers of webhooks where the instance had some${mode === 'server' ? ', and embedder keys' : ''}. Values of API keys are not in it:
they follow from the master key. Start the instance with the same master key, and its ${keys} keys have the same values again.`,
    redacted === 0
      ? ''
      : `${redacted} keys of embedders are missing, because the server shows them only in part: set them again (\`PATCH /indexes/<uid>/settings/embedders\`) before documents are added.`,
    changed.length === 0
      ? ''
      : `Each index is whole, but not all are of one instant: ${changed.map((uid) => `\`${uid}\``).join(', ')} changed meanwhile.`,
    `\`\`\`sh
xargs -d '\\n' cat < segments.txt > backup.dump
meilisearch --import-dump backup.dump --db-path ./restored.ms --master-key "$MEILI_MASTER_KEY"
\`\`\`

The database folder must be absent or empty. The port is closed until the import has ended. If the import is killed, remove the
folder before trying again: Meilisearch would otherwise start with indexes that are empty.`,
  ]
    .filter((section) => section !== '')
    .join('\n\n');
