import type { Manifest } from './types.ts';

/** RESTORE.md: the source's own words, then every segment in order. Never a glob: a stray object must not get into a restore. */
export const renderGuide = (manifest: Manifest, guide: string, storeUrl: string): string => {
  const artifact = manifest.segments.filter((segment) => segment.role === 'artifact');
  return `# Restore backup ${manifest.backup} of ${manifest.source.name}

${manifest.source.product} ${manifest.source.version}, as of ${manifest.pointInTime.at} (${manifest.pointInTime.consistency}).
Made by ${manifest.tool}; with it: \`lifeboat restore ${manifest.backup} --source ${manifest.source.name} --to <url>\`.

## Without Lifeboat

The ${artifact.length} segments below, in this order, are one file (${manifest.artifact.format}). Work in a copy of the folder
\`${storeUrl}/${manifest.source.name}/backups/${manifest.backup}\`; save the list as \`segments.txt\`, or take it from this file:

\`\`\`sh
sed -n '/^segments\\//p' RESTORE.md > segments.txt
\`\`\`

${guide.trim()}

## Segments

\`\`\`
${artifact.map((segment) => segment.key).join('\n')}
\`\`\`
`;
};
