import type { Details } from './gathered.ts';
import { many } from './words.ts';

const MARKDOWN = /[`|<>[\]\\]/g;
const code = (text: string): string => `\`${text.replaceAll(MARKDOWN, "'")}\``;
const shell = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** RESTORE.md above the list of segments. */
export const restoreGuide = ({
  repository,
  counts,
  copied,
  settings,
  uncommitted,
  ids,
}: Details): string => `They are the refs manifest of repository ${code(repository.name)}: ${many(counts.branches, 'branch', 'branches')}, ${many(counts.tags, 'tag', 'tags')}, ${many(counts.commits, 'commit', 'commits')}.
What the refs reach lies under \`objects/\` of this source, at the same paths as in the storage namespace of the repository.
Any lakeFS server from version 1.0 on takes it; \`lakectl\` and a tool that copies objects are needed.

### What lakeFS's own restore leaves out

Hidden branches (${settings.hidden}) come back visible; branch protection (rules: ${settings.protection}), repository metadata (entries: ${settings.metadata}),
${settings.rules ? 'garbage collection rules, ' : ''}pull requests (${settings.pulls}) and uncommitted changes (${uncommitted}) do not come back. They are in the segments named
\`settings\` and \`uncommitted\` (lines of JSON); \`lifeboat restore\` puts them back.${
  copied.external > 0
    ? `\n\n${many(copied.external, 'object was', 'objects were')} imported from outside of the namespace; the restored repository reads them where they were. They are listed in\nsegments named \`external\`. Copies of ${copied.externalCopied} of them lie under \`objects/external/\`, where their lines have a \`key\`: put back what is gone.`
    : ''
}

### Restore

Into a new, empty namespace; \`POOL\` is the folder \`objects\` beside the folder \`backups\` that this one lies in. The default branch must be ${code(repository.defaultBranch)}: with another
one the repository looks empty.

\`\`\`sh
aws s3 sync "$POOL/" s3://new-bucket/${repository.name}/
lakectl repo create-bare ${shell(`lakefs://${repository.name}`)} s3://new-bucket/${repository.name} -d ${shell(repository.defaultBranch)}
xargs -d '\\n' cat < segments.txt > refs_manifest.json
lakectl refs-restore ${shell(`lakefs://${repository.name}`)} --manifest refs_manifest.json
\`\`\`

\`refs_manifest.json\` must hold these ids; lakeFS takes empty ones in silence, and restores nothing:
branches \`${ids.branches_meta_range_id}\`, commits \`${ids.commits_meta_range_id}\`, tags \`${ids.tags_meta_range_id}\`.
The segment named \`script\` is the same for \`lakefs-refs.py restore\`.`;
