import { describe, expect, it } from 'vitest';
import type { CatalogEntry, SoundEntry } from '../../src/backup/catalog.ts';
import { renderCatalogue } from '../../src/drill/catalog-page.ts';
import { LifeboatError } from '../../src/errors.ts';
import { entriesOf } from './samples.ts';

const of = { store: 's3://backups/prod', now: new Date('2026-11-21T12:00:00Z') };
const seen = (html: string): string =>
  html
    .replace(/<style>.*?<\/style>/s, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ');
const render = (entries: readonly CatalogEntry[]) => renderCatalogue(entries, of);
const proven = (entry: SoundEntry): SoundEntry => ({
  ...entry,
  proof: { state: 'PASSED', at: '2026-11-20T03:07:41.000Z', drill: 'd', passedAt: '2026-11-20T03:07:41.000Z' },
});

describe('the catalogue', () => {
  it('puts the age of the newest proven backup before that of the newest', () => {
    const [newest, older] = entriesOf(2);
    if (newest === undefined || older === undefined) throw new Error('two entries were asked for');
    expect(seen(render([proven(older), newest]))).toContain(
      'The newest proven backup is 1 d 11 h old. The newest backup is 10 h 30 min old.',
    );
    expect(seen(render([newest]))).toContain('No backup of this source is proven to restore. The newest backup is 10 h 30 min old.');
  });

  it('shows what the last drill said, and an earlier proof beside a later drill that did not pass', () => {
    const [entry] = entriesOf(1);
    if (entry === undefined) throw new Error('an entry was asked for');
    expect(seen(render([entry]))).toContain('never drilled');
    expect(seen(render([proven(entry)]))).toContain('proven on 2026-11-20');
    const failed = { ...entry, proof: { ...proven(entry).proof, state: 'FAILED', at: '2026-11-21T03:00:00.000Z' } } as const;
    expect(seen(render([failed]))).toContain('failed on 2026-11-21 (proven on 2026-11-20)');
  });

  it('shows a broken backup with what is wrong with it, escaped', () => {
    const [entry] = entriesOf(1);
    if (entry === undefined) throw new Error('an entry was asked for');
    const { source, backup, recordedAt, proof } = entry;
    const html = render([
      {
        state: 'broken',
        source,
        backup,
        recordedAt,
        proof,
        problem: new LifeboatError('ManifestInvalid', 'the manifest has <b>no</b> end'),
      },
    ]);
    expect(html).toContain('the manifest has &lt;b&gt;no&lt;/b&gt; end');
  });

  it('lists every backup, by source, the newest first', () => {
    const entries = [...entriesOf(45), ...entriesOf(2).map((entry) => ({ ...entry, source: 'another' }))];
    const html = render(entries.toReversed());
    expect([...html.matchAll(/<h2[^>]*><bdi>(.*?)<\/bdi>/g)].map(([, name]) => name)).toEqual(['another', 'catalog-prod']);
    const ids = [...html.matchAll(/<th scope="row" class="whole"><code dir="ltr">(.*?)<\/code>/g)].map(([, id]) => id);
    expect(ids).toHaveLength(47);
    expect(ids.slice(2)).toEqual(ids.slice(2).sort().reverse());
    expect(html).toContain('15 older backups');
  });

  it('says how to make the first one', () => {
    expect(seen(render([]))).toContain('There is no backup here yet. Make one with lifeboat backup &lt;source&gt;');
  });
});
