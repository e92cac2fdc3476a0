import { packBuckets, totalOf } from '../../src/backup/buckets.ts';
import type { SoundEntry } from '../../src/backup/catalog.ts';
import type { BackupId, ClassDigest, Manifest, Ordinal, Proof, Segment } from '../../src/backup/types.ts';
import { type Audited, type AuditResult, judgeAudit } from '../../src/drill/judge.ts';
import { type DrillParts, proofOf } from '../../src/drill/proof-of.ts';
import { randomFrom } from '../../src/drill/random.ts';

/** Records as real drills make them, for tests and for looking at the report; nothing of them is random twice. */

export const idOf = (text: string): BackupId => text as BackupId;

/** A digest whose buckets add up, different for each `content`. */
export const digestOf = (name: string, rows: number | string, content = 1): ClassDigest => {
  const random = randomFrom(content * 7919 + name.length);
  const word = () => BigInt(Math.floor(random() * 2 ** 32));
  const sums = new Map([0, 17, 255].map((bucket) => [bucket, (word() << 96n) | (word() << 64n) | (word() << 32n) | word()]));
  return { name, rows: String(rows), digest: totalOf(sums), shape: content.toString(16).padStart(32, '5'), buckets: packBuckets(sums) };
};

const TABLES = ['table_entity', 'entity_relationship', 'tag_usage', 'user_entity', 'glossary_term_entity', 'entity_extension_time_series'];

export const classNames = (count: number): string[] =>
  Array.from(
    { length: count },
    (_, index) => `public.${TABLES[index % TABLES.length] ?? ''}${index < TABLES.length ? '' : `_p${Math.floor(index / TABLES.length)}`}`,
  );

const segmentOf = (index: number): Segment => {
  const sha256 = index.toString(16).padStart(64, 'c');
  const ordinal = `${String(index).padStart(6, '0')}.0000`;
  return {
    key: `segments/${ordinal}-${sha256.slice(0, 8)}.sql.zst`,
    ordinal: ordinal as Ordinal,
    role: 'artifact',
    encoding: 'zstd',
    bytes: 4_812_345 + index * 1000,
    rawBytes: 31_456_789 + index * 7000,
    sha256,
  };
};

export const manifestOf = (changes: Partial<Manifest> = {}, classes = 6): Manifest => ({
  formatVersion: 1,
  tool: 'lifeboat 0.1.0',
  backup: idOf('20261121T013000Z-4f2a'),
  execution: 'arn:aws:states:eu-central-1:123456789012:execution:lifeboat-backup:4b1c',
  source: {
    name: 'catalog-prod',
    kind: 'postgres',
    product: 'OpenMetadata on PostgreSQL',
    version: '16.4',
    place: 'db.example.com:5432/openmetadata',
    content: 'openmetadata 1.13.4',
  },
  pointInTime: { consistency: 'snapshot', at: '2026-11-21T01:30:04.120Z', token: '00000003-0000001B-1' },
  startedAt: '2026-11-21T01:30:00.000Z',
  sealedAt: '2026-11-21T01:31:12.500Z',
  artifact: { format: 'PostgreSQL script, zstd', restoreWith: 'cat <segments in order> | zstd -dc | psql -X -v ON_ERROR_STOP=1 "$TARGET"' },
  segments: Array.from({ length: 42 }, (_, index) => segmentOf(index)),
  digests: classNames(classes).map((name, index) => digestOf(name, (index * 7919) % 48_611, index + 1)),
  assertions: [{ name: 'openmetadata.version', value: '1.13.4' }],
  details: {},
  notIncluded: { 'large objects': '2', 'unlogged tables': '1' },
  timings: { inspect: 0.4, dump: 61.8, seal: 2.1 },
  previous: 'a'.repeat(64),
  ...changes,
});

export const auditOf = (manifest: Manifest, changes: Partial<Audited> = {}): AuditResult =>
  judgeAudit({ manifest, digests: manifest.digests, checks: productChecks, assertions: manifest.assertions, ...changes });

const productChecks = [
  { name: 'relationships whose ends do not exist', expected: '0', actual: '0', ok: true },
  { name: 'invalid indexes', expected: '0', actual: '0', ok: true },
  { name: 'entities of type table', expected: '12408', actual: '12408', ok: true },
];

/** The same digests, but those of `names` with other content. */
export const damaged = (digests: readonly ClassDigest[], ...names: readonly string[]): ClassDigest[] =>
  digests.map((digest) =>
    names.includes(digest.name) ? { ...digestOf(digest.name, Math.max(0, Number(digest.rows) - 1), 4242), shape: digest.shape } : digest,
  );

export const partsOf = (manifest: Manifest, changes: Partial<DrillParts> = {}): DrillParts => {
  const [victim = '', other = victim] = manifest.digests.map((digest) => digest.name);
  return {
    drill: '20261121T030000Z-91bc',
    manifest,
    execution: 'arn:aws:states:eu-central-1:123456789012:execution:lifeboat-drill:77aa',
    startedAt: new Date('2026-11-21T03:00:00.000Z'),
    endedAt: new Date('2026-11-21T03:07:41.000Z'),
    scratch: 'db-scratch.example.com:5432/lifeboat_drill_91bc',
    goals: { rtoSeconds: 900, rpoSeconds: 86_400 },
    seed: 37_308,
    why: 'the newest backup',
    phases: [
      { name: 'provision', seconds: 3.2 },
      { name: 'prepare', seconds: 1.4 },
      { name: 'load', seconds: 148.3 },
      { name: 'finish-indexes', seconds: 86.9 },
      { name: 'finish', seconds: 15.1 },
      { name: 'audit', seconds: 72.6 },
      { name: 'control', seconds: 78.2 },
    ],
    rtoSeconds: 252.4,
    audit: auditOf(manifest),
    control: {
      tampering: { what: [`changed "json" of one row of ${victim}`, `deleted one row of ${other}`], classes: [victim, other] },
      audit: auditOf(manifest, { digests: damaged(manifest.digests, victim, other) }),
    },
    errors: [],
    ...changes,
  };
};

export const passed = (manifest = manifestOf()): Proof => proofOf(partsOf(manifest));

export const failed = (manifest = manifestOf()): Proof => {
  const [victim = ''] = manifest.digests.map((digest) => digest.name);
  return proofOf(
    partsOf(manifest, {
      goals: { rtoSeconds: 240 },
      control: null,
      audit: auditOf(manifest, { digests: damaged(manifest.digests, victim) }),
    }),
  );
};

export const notMeasured = (manifest = manifestOf()): Proof =>
  proofOf(
    partsOf(manifest, {
      phases: [{ name: 'provision', seconds: 3.2 }],
      rtoSeconds: null,
      audit: null,
      control: null,
      errors: [
        {
          step: 'provision',
          code: 'ConnectionRefused',
          message: 'no server answers at db-scratch.example.com:5432',
          hint: 'Start the scratch server, or name another one under drill.scratch in the environment file.',
        },
        { step: 'discard', code: 'ConnectionRefused', message: 'no server answers at db-scratch.example.com:5432', hint: '' },
      ],
    }),
  );

/** Earlier drills, one a day, mostly good. */
export const historyOf = (count: number, manifest = manifestOf()): Proof[] => {
  const random = randomFrom(count);
  const day = 24 * 60 * 60 * 1000;
  return Array.from({ length: count }, (_, index): Proof => {
    const startedAt = new Date(Date.parse('2026-11-21T03:00:00Z') - (count - index) * day).toISOString();
    const drill = `${startedAt.slice(0, 19).replaceAll(/[-:]/g, '')}Z-${index.toString(16).padStart(4, '0')}`;
    const kind = index % 11 === 5 ? notMeasured(manifest) : index % 17 === 9 ? failed(manifest) : passed(manifest);
    const rtoSeconds = kind.rtoSeconds === null ? null : 180 + index * 1.5 + random() * 40;
    return { ...kind, drill, startedAt, rtoSeconds, backup: idOf(drill.replace('T03', 'T01')) };
  });
};

/** What a store lists: one backup a day, the newest first, none drilled. */
export const entriesOf = (count: number): SoundEntry[] =>
  Array.from({ length: count }, (_, index): SoundEntry => {
    const startedAt = new Date(Date.parse('2026-11-21T01:30:00Z') - index * 24 * 60 * 60 * 1000).toISOString();
    const backup = idOf(`${startedAt.slice(0, 19).replaceAll(/[-:]/g, '')}Z-4f2a`);
    const manifest = manifestOf({ backup, startedAt, pointInTime: { consistency: 'snapshot', at: startedAt, token: null } });
    const { name } = manifest.source;
    return {
      state: 'sound',
      source: name,
      backup,
      recordedAt: startedAt,
      proof: { state: 'never' },
      manifest,
      manifestSha256: 'b'.repeat(64),
      bytes: 200_000_000 + index * 999_999,
      rows: '118785',
    };
  });

/** Text that would do harm, or look like something else, if it came out as it went in. */
export const HOSTILE = [
  '<script>alert(1)</script>',
  '</style><img src=x onerror=alert(1)>',
  '"><svg onload=alert(1)>',
  "' onmouseover='alert(1)",
  '&lt;b&gt; &amp; &#60;i&#62;',
  'evil\u202egnp.exe',
  'جدول البيانات الكبير',
  'zero\u200bwidth\u0000null\u001b[31m',
  'javascript:alert(1)',
  ']]><!-- --><![CDATA[',
  '表'.repeat(300),
  'a_very_long_name_without_any_place_to_break_'.repeat(12),
  '\ud800 lone surrogate',
] as const;

/** A backup whose every free text is hostile. */
export const hostileManifest = (text: (index: number) => string = (index) => HOSTILE[index % HOSTILE.length] ?? ''): Manifest => {
  const plain = manifestOf();
  return {
    ...plain,
    tool: text(0),
    execution: text(1),
    source: { ...plain.source, product: text(2), version: text(3), place: text(4), content: text(5) },
    artifact: { format: text(6), restoreWith: text(7) },
    digests: Array.from({ length: 8 }, (_, index) => digestOf(`${index}${text(index)}`, index * 1000, index + 1)),
    assertions: [{ name: text(8), value: text(9) }],
    notIncluded: { [text(10)]: '3' },
    timings: { [text(11)]: 1 },
  };
};

export const hostileProof = (
  manifest: Manifest,
  text: (index: number) => string = (index) => HOSTILE[index % HOSTILE.length] ?? '',
): Proof => ({
  ...failed(manifest),
  scratch: text(0),
  execution: text(1),
  phases: [
    { name: text(2), seconds: 2 },
    { name: text(11), seconds: 3 },
  ],
  checks: Array.from({ length: 14 }, (_, index) => ({
    name: text(index),
    expected: text(index + 1),
    actual: text(index + 2),
    ok: index % 2 === 0,
    ...(index % 3 === 0 ? { class: text(index + 3) } : {}),
  })),
  control: { what: [text(4), text(6)], expected: [text(5)], failed: [text(7)], ok: false },
  notMeasured: [{ what: text(8), why: text(9) }],
  failure: { code: text(10), message: text(11), hint: text(12) },
});
