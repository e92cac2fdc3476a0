import type { CatalogEntry } from '../backup/catalog.ts';
import { bytes, counted, instant, measured, seconds } from './report/format.ts';
import { type Html, html } from './report/html.ts';
import { page } from './report/page.ts';
import { code, icon, text } from './report/signs.ts';

/** Backups of a source that stay open; older ones are folded. */
const UNFOLDED_MAX = 30;

/** All backups of a store by source, the newest first, each with what its drills say. `store` is the store's URL without secrets. */
export const renderCatalogue = (entries: readonly CatalogEntry[], of: { readonly store: string; readonly now: Date }): string => {
  const sources = [...Map.groupBy(entries, (entry) => entry.source)].sort(([a], [b]) => (a < b ? -1 : 1));
  return page(
    `Backups in ${of.store}`,
    html`<header><p class="kicker"><span>${text(of.store)}</span><time datetime="${of.now.toISOString()}">${instant(of.now.toISOString())}</time></p>
<h1>Backups</h1></header>
${sources.length === 0 ? html`<p class="lead">There is no backup here yet. Make one with ${code('lifeboat backup <source>')}.</p>` : sources.map(([name, own], index) => source(name, newestFirst(own), of.now, index))}`,
  );
};

const newestFirst = (entries: readonly CatalogEntry[]): readonly CatalogEntry[] =>
  entries.toSorted((a, b) => (a.backup < b.backup ? 1 : -1));

const source = (
  name: string,
  entries: readonly CatalogEntry[],
  now: Date,
  index: number,
): Html => html`<section aria-labelledby="source-${index}"><h2 id="source-${index}">${text(name)}</h2>
<p class="intro">${summary(entries, now)}</p>
${table(`${entries.length > UNFOLDED_MAX ? `The newest ${UNFOLDED_MAX} of ` : ''}${counted(entries.length, 'backup')}`, entries.slice(0, UNFOLDED_MAX))}
${entries.length <= UNFOLDED_MAX ? undefined : html`<details><summary>${counted(entries.length - UNFOLDED_MAX, 'older backup')}</summary>${table('Older backups', entries.slice(UNFOLDED_MAX))}</details>`}
</section>
`;

/** What counts is the age of the newest backup that is known to restore; the newest backup only comes after it. */
const summary = (entries: readonly CatalogEntry[], now: Date): Html => {
  const [newest] = entries;
  const proven = entries.find((entry) => entry.proof.passedAt !== undefined);
  const last = newest === undefined ? undefined : html`The newest backup is ${age(newest.recordedAt, now)} old.`;
  return proven === undefined
    ? html`<strong class="unmeasured">No backup of this source is proven to restore.</strong> ${last}`
    : html`<strong class="passed">The newest proven backup is ${age(proven.recordedAt, now)} old.</strong> ${last}`;
};

const age = (at: string, now: Date): string => seconds(Math.max(0, (now.getTime() - Date.parse(at)) / 1000));

const table = (caption: string, entries: readonly CatalogEntry[]): Html => html`<table class="wide"><caption>${caption}</caption>
<thead><tr><th scope="col">Backup</th><th scope="col">Last drill</th><th scope="col">Point in time</th><th scope="col" class="number">Rows</th><th scope="col" class="number">Stored</th></tr></thead>
<tbody>${entries.map(row)}</tbody></table>`;

const row = (
  entry: CatalogEntry,
): Html => html`<tr><th scope="row" class="whole">${code(entry.backup)}</th><td data-head="Last drill">${drilled(entry)}</td>${
  entry.state === 'sound'
    ? html`<td data-head="Point in time">${text(instant(entry.manifest.pointInTime.at))}</td><td class="number" data-head="Rows">${measured(entry.rows)}</td><td class="number" data-head="Stored">${bytes(entry.bytes)}</td>`
    : html`<td colspan="3" data-head="Broken"><span class="failed">${icon('FAILED')} ${text(entry.problem.message)}</span></td>`
}</tr>
`;

const drilled = ({ proof }: CatalogEntry): Html => {
  const on = proof.at === undefined ? '' : ` on ${instant(proof.at).slice(0, 10)}`;
  const before =
    proof.passedAt === undefined ? undefined : html` <span class="quiet">(proven on ${instant(proof.passedAt).slice(0, 10)})</span>`;
  switch (proof.state) {
    case 'never':
      return html`<span class="quiet">never drilled</span>`;
    case 'PASSED':
      return html`<span class="passed">${icon('PASSED')} proven${on}</span>`;
    case 'FAILED':
      return html`<span class="failed">${icon('FAILED')} failed${on}</span>${before}`;
    case 'NOT_MEASURED':
      return html`<span class="unmeasured">${icon('NOT_MEASURED')} not measured${on}</span>${before}`;
  }
};
