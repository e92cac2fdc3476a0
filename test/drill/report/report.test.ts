import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Manifest, Proof } from '../../../src/backup/types.ts';
import { HISTORY_MAX } from '../../../src/drill/report/history.ts';
import { renderReport } from '../../../src/drill/report/report.ts';
import { failed, HOSTILE, historyOf, hostileManifest, hostileProof, manifestOf, notMeasured, passed } from '../samples.ts';

/** A page that a mail gateway lets through and a phone opens at once. */
const REPORT_OF_180_CLASSES_MAX_BYTES = 160 * 1024;

const manifest = manifestOf();
const page = (proof: Proof, earlier: readonly Proof[] = [], of: Manifest = manifest) => renderReport(proof, earlier, of);

/** What a reader sees: no tags, no style, white space as one space. */
const seen = (html: string): string =>
  html
    .replace(/<style>.*?<\/style>/s, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ');

/** Tags and the names of their attributes, in order: all that a browser takes for markup. */
const skeleton = (html: string): string[] =>
  [...html.matchAll(/<(\/?[a-z0-9]+)((?:"[^"]*"|[^">])*)>/gi)].map(
    ([, tag = '', attributes = '']) => `${tag} ${attributes.replace(/"[^"]*"/g, '""').trim()}`,
  );

const sections = (html: string): string[] => [...html.matchAll(/<h2[^>]*>(.*?)<\/h2>/g)].map(([, title = '']) => title);

describe('the report', () => {
  it.each([
    ['PASSED', passed()],
    ['FAILED', failed()],
    ['NOT MEASURED', notMeasured()],
  ])('says %s first, and has the same sections in the same order', (word, proof) => {
    const html = page(proof, historyOf(3));
    expect(html).toMatch(/^<!doctype html>\n<html lang="en">/);
    expect(html).toContain(`<title>${word}: drill of catalog-prod, 20261121T030000Z-91bc – Lifeboat</title>`);
    expect(seen(html.split('</h1>')[0] ?? '')).toContain(word);
    expect(html.match(/<h1/g)).toHaveLength(1);
    expect(sections(html).filter((title) => title !== 'What went wrong')).toEqual([
      'Time to restore',
      'Checks',
      'Negative control',
      'Not measured',
      'Earlier drills',
      'The backup',
      'Not included',
    ]);
  });

  it('tells a passed drill in one sentence and four figures', () => {
    const text = seen(page(passed()));
    expect(text).toContain('Backup 20261121T013000Z-4f2a was restored in 4 min 12 s . All 6 classes, 118,785 rows, came back equal.');
    expect(text).toContain('Time to restore (RTO) 4 min 12 s goal: at most 15 min');
    expect(text).toContain('Age of the backup (RPO) 1 h 30 min goal: at most 1 d');
    expect(text).toContain('changed "json" of one row of public.table_entity'.replaceAll('"', '&quot;'));
    expect(text).toContain('Nothing that the manifest promises was left out.');
    expect(text).toContain(
      'Scope. Measured on this machine and this volume of data: db-scratch.example.com:5432/lifeboat_drill_91bc , 118,785 rows, 1.24 GiB.',
    );
    expect(text).toContain('large objects 2');
    expect(text).toContain('Seed of all random choices: 37308.');
  });

  it('shows failed checks first, with what was expected and what was found', () => {
    const proof = failed();
    const text = seen(page(proof));
    const content = proof.checks.find((check) => !check.ok && check.class !== undefined);
    expect(text).toContain(`content of public.table_entity ${content?.expected} ${content?.actual}`);
    expect(text.indexOf('content of public.table_entity')).toBeLessThan(text.indexOf('invalid indexes'));
    expect(text).toContain('goal: at most 4 min – missed');
  });

  it('says what went wrong, and what is therefore not known', () => {
    const text = seen(page(notMeasured()));
    expect(text).toContain('neither proven nor disproven by this drill: no server answers at db-scratch.example.com:5432');
    expect(text).toContain('Start the scratch server');
    expect(text).toContain('whether the scratch system was removed ConnectionRefused');
    expect(text).toContain('Nothing was restored');
  });

  it('claims aloud that nothing was left out of a backup', () => {
    expect(seen(page(passed(), [], manifestOf({ notIncluded: {} })))).toContain('Nothing: whatever the source had is in this backup.');
  });

  it('shows every check of 180 classes, folded, within its bound', () => {
    const many = manifestOf({}, 180);
    const html = page(passed(many), historyOf(HISTORY_MAX), many);
    expect(seen(html)).toContain('180 classes equal to the backup, by row count and content digest');
    for (const digest of many.digests) expect(html).toContain(digest.digest);
    expect(Buffer.byteLength(html)).toBeLessThan(REPORT_OF_180_CLASSES_MAX_BYTES);
  });

  it('shows each check once, whatever its name and class', () => {
    const proof = hostileProof(manifest, (index) => `t${index}`);
    const table = page({
      ...proof,
      checks: proof.checks.map((check, index) => ({
        ...check,
        name: `check-${index}`,
        expected: `want-${index}-`,
        actual: `got-${index}-`,
      })),
    });
    for (const [index] of proof.checks.entries())
      for (const what of [`want-${index}-`, `got-${index}-`]) expect(table.split(what)).toHaveLength(2);
  });

  it('draws the newest drills, this one once and last, each with its verdict', () => {
    const earlier = historyOf(HISTORY_MAX + 20);
    const html = page(passed(), [passed(), ...earlier]);
    const marks = [...html.matchAll(/<title>(\d{4}-\d\d-\d\d \S+ UTC): ([A-Z ]+),/g)];
    expect(marks).toHaveLength(HISTORY_MAX);
    expect(marks.at(-1)?.slice(1)).toEqual(['2026-11-21 03:00:00 UTC', 'PASSED']);
    expect(marks.map(([, at]) => at)).toEqual(marks.map(([, at]) => at).sort());
    expect(html).toContain('drills NOT MEASURED');
    expect(seen(page(passed()))).toContain('This is the first drill of this source on record.');
  });

  it('draws nothing outside of its charts, and no number that is none', () => {
    for (const html of [
      page(passed(), historyOf(60)),
      page(failed(), historyOf(1)),
      page(notMeasured(), [notMeasured(), { ...notMeasured(), drill: 'x' }]),
    ]) {
      expect(html).not.toMatch(/NaN|Infinity|undefined|\[object/);
      const ends = [...html.matchAll(/<rect class="fill[^"]*" x="([\d.]+)%" width="([\d.]+)%"/g)].map(
        ([, x, width]) => Number(x) + Number(width),
      );
      expect(ends.length).toBeGreaterThan(0);
      expect(Math.max(...ends)).toBeLessThanOrEqual(100.01);
    }
  });

  it('loads nothing, runs nothing, links nowhere, and forbids it', () => {
    const html = page(hostileProof(hostileManifest()), historyOf(4), hostileManifest());
    expect(html).toContain(`content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"`);
    const style = html.match(/<style>.*?<\/style>/s)?.[0] ?? '';
    expect(style).not.toMatch(/url\(|@import|@font-face/);
    const tags = skeleton(html);
    expect(tags.filter((tag) => /^(script|img|a|iframe|object|embed|base|form|use|image|foreignobject)\b/i.test(tag))).toEqual([]);
    expect(tags.filter((tag) => /\son|\s(src|srcset|action|xlink:href)=/i.test(tag))).toEqual([]);
    expect(html.match(/\shref="[^"]*"/g)).toEqual([' href="data:,"']);
  });
});

describe('text of others', () => {
  const hostile = fc.oneof(
    fc.constantFrom(...HOSTILE),
    fc.string({ unit: 'binary' }),
    fc
      .array(fc.constantFrom('<', '>', '"', "'", '`', '&', '/', '=', ' ', 'script', 'style', '<!--', '-->', ']]>', '\u202e', '\u0000'))
      .map((parts) => parts.join('')),
  );
  const pageWith = (text: (index: number) => string): string => {
    const manifestWith = hostileManifest(text);
    return renderReport(hostileProof(manifestWith, text), historyOf(2), manifestWith);
  };

  it('never becomes markup: the page has the same tags and attributes as with plain text', () => {
    const plain = skeleton(pageWith((index) => `t${index}:plain`));
    expect(plain.length).toBeGreaterThan(300);
    fc.assert(
      fc.property(fc.array(hostile, { minLength: 1, maxLength: 20 }), (texts) => {
        expect(skeleton(pageWith((index) => `t${index}:${texts[index % texts.length]}`))).toEqual(plain);
      }),
      { numRuns: 60 },
    );
  });

  it('comes out so that it reads as it was', () => {
    expect(seen(pageWith((index) => `t${index}:<script>alert("1")</script>`))).toContain(
      't2:&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;',
    );
  });
});
