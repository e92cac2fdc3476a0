import { expect, it } from 'vitest';
import { renderGuide } from '../../src/backup/guide.ts';
import { exampleManifest, exampleSegment, idAt } from './examples.ts';

it('lists the segments of the artifact in order, so that one command takes them from it', () => {
  const manifest = exampleManifest('sea', idAt('2026-11-21T01:30:00Z'), '2026-11-21T01:30:00.000Z');
  const inventory = { ...exampleSegment(7), role: 'inventory' as const };
  const guide = renderGuide({ ...manifest, segments: [...manifest.segments, inventory] }, '\n\nUse `psql`.\n\n', 's3://bucket/prefix');
  expect(guide.split('\n').filter((line) => /^segments\//.test(line))).toEqual(manifest.segments.map(({ key }) => key));
  expect(guide).toContain('# Restore backup 20261121T013000Z-');
  expect(guide).toContain('s3://bucket/prefix/sea/backups/20261121T013000Z-');
  expect(guide).toContain('\nUse `psql`.\n');
  expect(guide).not.toContain(inventory.key);
});
