import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DIGEST_SCHEME } from '../../src/backup/digest.ts';
import {
  DETAILS_MAX_BYTES,
  FORMAT_VERSION,
  MANIFEST_MAX_BYTES,
  ManifestSchema,
  RECEIPT_MAX_BYTES,
  ReceiptSchema,
} from '../../src/backup/manifest.ts';
import { PROOF_MAX_BYTES } from '../../src/backup/proof.ts';
import vectors from './digest-vectors.json' with { type: 'json' };

const page = readFileSync(new URL('../../docs/store-format.md', import.meta.url), 'utf8');
const MIB = 1024 * 1024;

describe('docs/store-format.md', () => {
  it('has the digest example that the code computes', () => {
    const example = vectors.find(({ about }) => about === 'one short row');
    expect(example?.columns).toEqual(['id', 'value']);
    expect(Buffer.from(example?.rows.join('') ?? '').toString('hex')).toBe('3109610a');
    for (const value of [example?.expected.shape, example?.expected.digest, example?.expected.buckets])
      expect(page).toContain(` ${value}\n`);
    expect(page).toContain(`lp("${DIGEST_SCHEME}")`);
  });

  it('names the limits and the version of the code', () => {
    expect(page).toContain(`# The store format, version ${FORMAT_VERSION}\n`);
    expect(page).toContain(`manifest.json (at most ${MANIFEST_MAX_BYTES / MIB} MiB)`);
    expect(page).toContain(`Receipts (at most ${RECEIPT_MAX_BYTES / MIB} MiB)`);
    expect(page).toContain(`Proofs (at most ${PROOF_MAX_BYTES / MIB} MiB)`);
    expect(page).toContain(`beyond the segments; at most ${DETAILS_MAX_BYTES / MIB} MiB`);
  });

  it('names every field of a manifest and of a receipt', () => {
    const { segments, ...top } = ManifestSchema.shape;
    const fields = [...Object.keys(top), ...Object.keys(segments.element.shape), ...Object.keys(ReceiptSchema.shape)];
    expect(fields.length).toBeGreaterThan(25);
    for (const field of fields) expect(page, field).toMatch(new RegExp(`\`[a-z]*(\\[\\])?\\.?${field}(\\[\\])?[\`.]`, 'i'));
  });
});
