import fc from 'fast-check';
import { packBuckets, totalOf } from '../../src/backup/buckets.ts';
import { backupId } from '../../src/backup/id.ts';
import { segmentKey } from '../../src/backup/layout.ts';
import { ordinal } from '../../src/backup/ordinal.ts';
import type { Check, ClassDigest, Json, Manifest, Proof, Receipt, Segment } from '../../src/backup/types.ts';

const hex = (length: number) => fc.bigInt(0n, 16n ** BigInt(length) - 1n).map((value) => value.toString(16).padStart(length, '0'));
const text = fc.string({ unit: 'binary', maxLength: 12 });
const time = fc.date({ min: new Date('2000-01-01'), max: new Date('2099-12-31'), noInvalidDate: true });
const iso = time.map((date) => date.toISOString());
const count = fc.bigInt(0n, 10n ** 19n).map(String);
const seconds = fc.double({ min: 0, max: 1e6, noNaN: true });
const optional = <K extends string, T>(key: K, value: fc.Arbitrary<T>): fc.Arbitrary<{ [P in K]?: T }> =>
  fc.option(value, { nil: undefined }).map((given) => (given === undefined ? {} : ({ [key]: given } as { [P in K]?: T })));

const json: fc.Arbitrary<Json> = fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>;

export const sourceName = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,39}$/);
export const anyBackupId = fc.tuple(time, text).map(([at, arn]) => backupId(at, arn));

const segment = (task: number): fc.Arbitrary<Segment> =>
  fc
    .record({
      n: fc.integer({ min: 0, max: 9999 }),
      sha256: hex(64),
      encoding: fc.constantFrom('zstd' as const, 'gzip' as const, 'deflate-raw-flushed' as const, 'identity' as const),
      role: fc.constantFrom('artifact' as const, 'inventory' as const),
      bytes: fc.nat(),
      rawBytes: fc.nat(),
      crc: optional('rawCrc32', fc.integer({ min: 0, max: 0xffffffff })),
      context: optional('context', json),
      versionId: optional('versionId', fc.string({ minLength: 1, maxLength: 20 })),
    })
    .map(({ n, sha256, crc, context, versionId, ...rest }) => ({
      key: segmentKey(ordinal(task, n), sha256, 'sql.zst'),
      ordinal: ordinal(task, n),
      sha256,
      ...rest,
      ...crc,
      ...context,
      ...versionId,
    }));

const segments = fc.array(fc.nat(), { maxLength: 5 }).chain((tasks) => fc.tuple(...tasks.map((_, task) => segment(task))));

const classDigest = (name: string): fc.Arbitrary<ClassDigest> =>
  fc
    .record({ rows: count, shape: hex(32), sums: fc.array(fc.tuple(fc.nat(255), fc.bigInt(0n, 2n ** 128n - 1n)), { maxLength: 8 }) })
    .map(({ rows, shape, sums }) => {
      const byBucket = new Map(sums);
      return { name, rows, shape, digest: totalOf(byBucket), buckets: packBuckets(byBucket) };
    });

const digests = fc
  .uniqueArray(fc.string({ minLength: 1, maxLength: 20 }), { maxLength: 4 })
  .chain((names) => fc.tuple(...names.map(classDigest)));

export const receipt: fc.Arbitrary<Receipt> = fc
  .record({
    task: fc.nat(),
    part: fc.nat(),
    segments,
    digests,
    facts: optional('facts', json),
    next: optional(
      'next',
      fc.tuple(text, optional('afterSeconds', seconds)).map(([cursor, after]) => ({ cursor, ...after })),
    ),
  })
  .map(({ facts, next, ...rest }) => ({ ...rest, ...facts, ...next }));

export const manifest: fc.Arbitrary<Manifest> = fc
  .record({
    formatVersion: fc.constant(1 as const),
    tool: text,
    backup: anyBackupId,
    execution: text,
    source: fc.record({ name: sourceName, kind: fc.constant('postgres'), product: text, version: text, place: text, content: text }),
    pointInTime: fc.record({
      consistency: fc.constantFrom('snapshot' as const, 'quiesced' as const, 'fuzzy' as const),
      at: iso,
      token: json,
    }),
    startedAt: iso,
    sealedAt: iso,
    artifact: fc.record({ format: text, restoreWith: text }),
    more: segments,
    digests,
    assertions: fc.array(fc.record({ name: text, value: text }), { maxLength: 3 }),
    details: json,
    notIncluded: fc.dictionary(fc.stringMatching(/^[a-z ]{1,10}$/), count, { maxKeys: 3 }),
    timings: fc.dictionary(fc.stringMatching(/^[a-z]{1,10}$/), seconds, { maxKeys: 3 }),
    previous: fc.option(hex(64)),
    last: segment(999_999),
  })
  .map(({ more, last, ...rest }) => ({ ...rest, segments: [...more, { ...last, role: 'artifact' as const }] }));

const check: fc.Arbitrary<Check> = fc
  .record({ name: text, expected: text, actual: text, ok: fc.boolean(), class: optional('class', text) })
  .map(({ class: one, ...rest }) => ({ ...rest, ...one }));

const texts = fc.array(text, { maxLength: 3 });

export const proof: fc.Arbitrary<Proof> = fc.record({
  formatVersion: fc.constant(1 as const),
  drill: anyBackupId,
  source: sourceName,
  kind: fc.constant('juicefs'),
  backup: anyBackupId,
  execution: text,
  verdict: fc.constantFrom('PASSED' as const, 'FAILED' as const, 'NOT_MEASURED' as const),
  startedAt: iso,
  endedAt: iso,
  scratch: text,
  rtoSeconds: fc.option(seconds),
  rpoSeconds: seconds,
  goals: fc.tuple(optional('rtoSeconds', seconds), optional('rpoSeconds', seconds)).map(([rto, rpo]) => ({ ...rto, ...rpo })),
  phases: fc.array(fc.record({ name: text, seconds }), { maxLength: 3 }),
  checks: fc.array(check, { maxLength: 3 }),
  control: fc.option(fc.record({ what: texts, expected: texts, failed: texts, ok: fc.boolean() })),
  notMeasured: fc.array(fc.record({ what: text, why: text }), { maxLength: 3 }),
  failure: fc.option(fc.record({ code: text, message: text, hint: text })),
  seed: fc.nat(),
});
