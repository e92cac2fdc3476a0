import { countRows } from '../../backup/rows.ts';
import type { Manifest, Proof } from '../../backup/types.ts';
import { bytes, counted, instant, measured, seconds } from './format.ts';
import { type Html, html } from './html.ts';
import { code, icon, text } from './signs.ts';

/** Proof that the audit can fail: what was damaged, what it had to fail on, and what it did fail on. */
export const control = ({ control: judged, notMeasured }: Proof): Html => {
  if (judged === null) {
    const why = notMeasured.find(({ what }) => what.startsWith('the negative control'))?.why;
    return html`<section aria-labelledby="control"><h2 id="control">Negative control</h2>
<p><span class="unmeasured">${icon('NOT_MEASURED')} Not run</span>${why === undefined ? undefined : html`: ${text(why)}`}. Without it, an audit that cannot fail looks like one that passed.</p></section>`;
  }
  const names = [...new Set([...judged.expected, ...judged.failed])].sort();
  return html`<section aria-labelledby="control"><h2 id="control">Negative control</h2>
<p class="intro">After the audit, the restored copy was damaged on purpose and audited again. A second audit that does not fail on exactly the damaged classes makes the drill fail.</p>
<ul class="list">${judged.what.map((what) => html`<li>${text(what)}</li>`)}</ul>
<table class="wide"><caption>What the second audit had to fail on, and did</caption>
<thead><tr><th scope="col">Class</th><th scope="col">Damaged</th><th scope="col">Audit</th><th scope="col">Outcome</th></tr></thead>
<tbody>${names.map((name) => controlRow(name, judged.expected.includes(name), judged.failed.includes(name)))}</tbody></table>
</section>`;
};

const controlRow = (name: string, damaged: boolean, noticed: boolean): Html =>
  html`<tr><th scope="row">${text(name)}</th><td data-head="Damaged">${damaged ? 'yes' : 'no'}</td><td data-head="Audit">${noticed ? 'failed' : 'passed'}</td><td class="${damaged === noticed ? 'passed' : 'failed'}">${icon(damaged === noticed ? 'PASSED' : 'FAILED')} ${damaged === noticed ? 'as it must' : damaged ? 'damage missed' : 'false alarm'}</td></tr>
`;

export const notMeasured = (proof: Proof): Html => html`<section aria-labelledby="not-measured"><h2 id="not-measured">Not measured</h2>
${
  proof.notMeasured.length === 0
    ? html`<p>Nothing that the manifest promises was left out.</p>`
    : html`<table class="wide"><thead><tr><th scope="col">What</th><th scope="col">Why</th></tr></thead>
<tbody>${proof.notMeasured.map(({ what, why }) => html`<tr><th scope="row">${icon('NOT_MEASURED')} ${text(what)}</th><td>${text(why)}</td></tr>\n`)}</tbody></table>`
}</section>`;

/** What these numbers are, and what they are not. */
export const scope = (proof: Proof, manifest: Manifest): Html =>
  proof.rtoSeconds === null
    ? html`<p class="scope"><strong>Scope.</strong> Nothing was restored: what this page says of the backup is what its manifest promises, and no more.</p>`
    : html`<p class="scope"><strong>Scope.</strong> Measured on this machine and this volume of data: ${text(proof.scratch)}, ${counted(BigInt(countRows(manifest.digests)), 'row')}, ${bytes(rawBytes(manifest))}. Elsewhere, or with more data, restoring takes another time.</p>`;

const rawBytes = (manifest: Manifest): number => manifest.segments.reduce((sum, segment) => sum + segment.rawBytes, 0);
const storedBytes = (manifest: Manifest): number => manifest.segments.reduce((sum, segment) => sum + segment.bytes, 0);

export const backup = (proof: Proof, manifest: Manifest): Html => html`<section aria-labelledby="backup"><h2 id="backup">The backup</h2>
<dl class="facts">
${fact('Backup', code(manifest.backup))}
${fact('Source', html`${text(manifest.source.name)} <span class="quiet">(${text(manifest.source.kind)})</span>`)}
${fact('Product', html`${text(manifest.source.product)} ${text(manifest.source.version)}`)}
${fact('Place', text(manifest.source.place))}
${fact('Content', text(manifest.source.content))}
${fact('Point in time', html`${text(instant(manifest.pointInTime.at))}, ${CONSISTENCY[manifest.pointInTime.consistency]}`)}
${horizon(proof, manifest)}${fact('Made', html`${text(instant(manifest.startedAt))}, sealed ${text(instant(manifest.sealedAt))}`)}
${fact('Content in numbers', html`${counted(BigInt(countRows(manifest.digests)), 'row')} in ${counted(manifest.digests.length, 'class', 'classes')}`)}
${fact('Stored as', html`${counted(manifest.segments.length, 'segment')}, ${bytes(storedBytes(manifest))} stored, ${bytes(rawBytes(manifest))} before compression`)}
${fact('Artifact', text(manifest.artifact.format))}
${fact('Restore without Lifeboat', code(manifest.artifact.restoreWith))}
${fact('Time it took', Object.entries(manifest.timings).length === 0 ? html`not recorded` : html`${Object.entries(manifest.timings).map(([phase, took]) => html`<span class="pair"><span class="label">${text(phase)}</span>${seconds(took)}</span> `)}`)}
${fact('Made by', text(manifest.tool))}
${fact('Backup before it', manifest.previous === null ? html`none, it is the first` : html`manifest with sha256 ${code(manifest.previous)}`)}
</dl>
${notIncluded(manifest)}
</section>
<footer>Drill ${code(proof.drill)}, execution ${code(proof.execution)}, ${instant(proof.startedAt)} to ${instant(proof.endedAt)}. Scratch system: ${text(proof.scratch)}. Seed of all random choices: ${proof.seed}.${proof.why === undefined ? undefined : html` This backup was chosen: ${text(proof.why)}.`} Proof format ${proof.formatVersion}; the same as JSON lies beside this page.</footer>`;

/** What the backup points at may be gone, however well it restores. */
const horizon = (proof: Proof, { horizon: end }: Manifest): Html | undefined => {
  if (end === undefined) return undefined;
  const passed = Date.parse(end.at) <= Date.parse(proof.startedAt);
  return html`${fact('Horizon', html`${text(instant(end.at))}${passed ? html`, <strong>passed</strong>` : ''}: ${text(end.why)}`)}
`;
};

const CONSISTENCY: Readonly<Record<Manifest['pointInTime']['consistency'], string>> = {
  snapshot: 'one snapshot of the whole source',
  quiesced: 'while writes were held',
  fuzzy: 'fuzzy: parts were read at different moments',
};

const fact = (name: string, value: Html): Html => html`<dt>${name}</dt><dd>${value}</dd>`;

const notIncluded = (manifest: Manifest): Html => {
  const left = Object.entries(manifest.notIncluded);
  return html`<section aria-labelledby="not-included"><h2 id="not-included">Not included</h2>
${
  left.length === 0
    ? html`<p>Nothing: whatever the source had is in this backup.</p>`
    : html`<p class="intro">What the source had and this backup does not.</p><table><thead><tr><th scope="col">Kind</th><th scope="col">Count</th></tr></thead>
<tbody>${left.map(([kind, n]) => html`<tr><th scope="row">${text(kind)}</th><td>${text(measured(n))}</td></tr>\n`)}</tbody></table>`
}</section>`;
};
