import type { Proof } from '../../backup/types.ts';
import { OWN_PHASES } from '../proof-of.ts';
import { percent, seconds } from './format.ts';
import { type Html, html } from './html.ts';
import { text } from './signs.ts';

interface Bar {
  readonly name: string;
  readonly start: number;
  readonly seconds: number;
  /** Part of the time to restore. */
  readonly counts: boolean;
}

/** Where the time went: one bar a phase, each beginning where the one before ended. */
export const phases = (proof: Proof): Html => {
  const bars = barsOf(proof.phases);
  const ended = bars.at(-1);
  const restoreStart = bars.find((bar) => bar.counts)?.start ?? 0;
  const whole = Math.max(ended === undefined ? 0 : ended.start + ended.seconds, restoreStart + (proof.rtoSeconds ?? 0));
  return html`<section aria-labelledby="time"><h2 id="time">Time to restore</h2>
<p class="intro">From the start of the restore until the scratch system could be used. Providing that system, the audit and the cleaning up are the drill’s own work and do not count.</p>
${
  bars.length === 0
    ? html`<p>No phase was measured.</p>`
    : html`<table class="phases"><thead><tr><th scope="col">Phase</th><th scope="col" class="number">Took</th><th scope="col">When</th></tr></thead>
<tbody>${bars.map((bar) => row(bar, whole))}</tbody>
${total(proof.rtoSeconds, restoreStart, whole)}</table>
<p class="legend"><span><svg class="key" viewBox="0 0 1 1" aria-hidden="true"><rect class="fill" width="1" height="1"/></svg>counts towards the time to restore</span><span><svg class="key" viewBox="0 0 1 1" aria-hidden="true"><rect class="fill-pale" width="1" height="1"/></svg>the drill’s own work</span></p>`
}</section>`;
};

const barsOf = (measured: Proof['phases']): readonly Bar[] => {
  let start = 0;
  return measured.map((phase) => {
    const bar = { name: phase.name, start, seconds: phase.seconds, counts: !OWN_PHASES.has(phase.name) };
    start += phase.seconds;
    return bar;
  });
};

const row = (bar: Bar, whole: number): Html =>
  html`<tr><th scope="row">${text(bar.name)}</th><td class="number">${seconds(bar.seconds)}</td><td class="bar"><svg aria-hidden="true"><rect class="${bar.counts ? 'fill' : 'fill-pale'}" x="${percent(bar.start, whole)}" width="${percent(bar.seconds, whole)}" height="100%"/></svg></td></tr>
`;

const total = (rto: number | null, start: number, whole: number): Html =>
  rto === null
    ? html`<tfoot><tr><th scope="row">Time to restore</th><td class="number">not measured</td><td></td></tr></tfoot>`
    : html`<tfoot><tr><th scope="row">Time to restore</th><td class="number">${seconds(rto)}</td><td class="bar"><svg aria-hidden="true"><line class="line" x1="${percent(start, whole)}" x2="${percent(start + rto, whole)}" y1="50%" y2="50%"/><line class="line" x1="${percent(start, whole)}" x2="${percent(start, whole)}" y1="15%" y2="85%"/><line class="line" x1="${percent(start + rto, whole)}" x2="${percent(start + rto, whole)}" y1="15%" y2="85%"/></svg></td></tr></tfoot>`;
