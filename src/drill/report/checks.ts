import type { Check, Proof } from '../../backup/types.ts';
import { counted, integer, measured } from './format.ts';
import { type Html, html } from './html.ts';
import { icon, text } from './signs.ts';

/** Rows of a table that stay open; more of a kind are folded, and counted in the fold's title. */
export const UNFOLDED_MAX = 24;

/** Every check: the failed ones first, then what the product says of itself, then the classes that came back equal. */
export const checks = (proof: Proof): Html => {
  const failed = proof.checks.filter((check) => !check.ok);
  const broken = new Set(failed.map((check) => check.class));
  const passed = proof.checks.filter((check) => check.ok);
  const isEqual = (check: Check): boolean => !broken.has(check.class) && MEASURES.some((measure) => isOf(check, measure));
  const ofClasses = Map.groupBy(passed.filter(isEqual), (check) => check.class ?? '');
  const others = passed.filter((check) => !isEqual(check));
  return html`<section aria-labelledby="checks"><h2 id="checks">Checks</h2>
<p class="intro">${summary(proof.checks.length, failed.length)}</p>
${folded(failed.length, `${counted(failed.length, 'failed check')}`, table('failed', failed), true)}
${folded(others.length, `${counted(others.length, 'check')} of the product, passed`, table('passed', others))}
${ofClasses.size === 0 ? undefined : folded(ofClasses.size, `${counted(ofClasses.size, 'class', 'classes')} equal to the backup, by row count and content digest`, classes(ofClasses))}
</section>`;
};

const summary = (all: number, failed: number): string => {
  if (all === 0) return 'Nothing was compared.';
  if (failed === 0)
    return `${counted(all, 'check')} passed, none failed. Expected is what was measured while the backup was made; found is what the restored system answered.`;
  return `${integer(failed)} of ${counted(all, 'check')} failed. Expected is what was measured while the backup was made; found is what the restored system answered.`;
};

const folded = (rows: number, title: string, content: Html, important = false): Html | undefined => {
  if (rows === 0) return undefined;
  return rows <= UNFOLDED_MAX
    ? html`<div>${content}</div>`
    : html`<details${important ? html` open` : undefined}><summary>${title}</summary>${content}</details>`;
};

const table = (
  kind: 'failed' | 'passed',
  rows: readonly Check[],
): Html => html`<table class="wide compared"><caption>${kind === 'failed' ? 'Failed' : 'Passed'}</caption>
<thead><tr><th scope="col">Check</th><th scope="col">Expected</th><th scope="col">Found</th></tr></thead>
<tbody>${rows.map(row)}</tbody></table>`;

const row = (check: Check): Html =>
  html`<tr><th scope="row">${icon(check.ok ? 'PASSED' : 'FAILED')} ${text(check.name)}</th>${value('Expected', check.expected)}${value('Found', check.actual)}</tr>
`;

const value = (head: string, said: string): Html =>
  html`<td class="break" data-head="${head}">${said === '' ? html`<span class="quiet">empty</span>` : html`<bdi class="${isDigest(said) ? 'mono' : ''}">${measured(said)}</bdi>`}</td>`;

const isDigest = (said: string): boolean => /^[0-9a-f]{16,}$/.test(said);

/** What is compared of each class; see compareDigests. */
const MEASURES = ['rows', 'content'] as const;
type Measure = (typeof MEASURES)[number];

const isOf = (check: Check, measure: Measure): boolean => check.class !== undefined && check.name === `${measure} of ${check.class}`;

const classes = (
  ofClasses: ReadonlyMap<string, readonly Check[]>,
): Html => html`<table class="wide classes"><caption>Equal to the backup</caption>
<thead><tr><th scope="col">Class</th><th scope="col" class="number">Rows</th><th scope="col">Digest of the content</th></tr></thead>
<tbody>${[...ofClasses].map(([name, own]) => html`<tr><th scope="row">${text(name)}</th>${cell('number', 'Rows', saidOf(own, 'rows'))}${cell('mono', 'Content', saidOf(own, 'content'))}</tr>\n`)}</tbody></table>`;

const saidOf = (own: readonly Check[], measure: Measure): string => own.find((check) => isOf(check, measure))?.expected ?? 'not compared';

const cell = (look: string, head: string, said: string): Html => html`<td data-head="${head}" class="${look}">${text(measured(said))}</td>`;
