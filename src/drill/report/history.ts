import type { Proof } from '../../backup/types.ts';
import { counted, day, instant, percent, seconds } from './format.ts';
import { type Html, html } from './html.ts';
import { code, icon, shape, TONE, text, WORD } from './signs.ts';

/** Drills in the strip: two months of daily ones; more would be narrower than an eye can part. */
export const HISTORY_MAX = 60;

/** Widest column of the strip, so that a few drills do not become a wall. */
const COLUMN_MAX_PX = 30;

const CHART_PX = 120;
/** Foot of the bars; the marks of the verdicts lie below. */
const BASE_PX = 96;
const MARK_PX = 12;

/** The last drills of this source, oldest first, this one at the right: each one's verdict and its time to restore. */
export const history = (proof: Proof, earlier: readonly Proof[]): Html => {
  const drills = [...earlier.filter((other) => other.drill !== proof.drill), proof].sort(byStart).slice(-HISTORY_MAX);
  const [oldest] = drills;
  if (oldest === undefined || drills.length === 1)
    return section(html`<p>This is the first drill of this source on record. The next report will show it here.</p>`);
  return section(html`<p class="intro">${trend(proof, drills)}</p>
<div>${strip(drills, proof)}
<p class="ends" style="max-width:${drills.length * COLUMN_MAX_PX}px"><span>${day(oldest.startedAt)}</span><span>${day(drills.at(-1)?.startedAt ?? '')}</span></p></div>
<p class="legend">${(['PASSED', 'FAILED', 'NOT_MEASURED'] as const).map((verdict) => html`<span>${icon(verdict)} ${counted(drills.filter((drill) => drill.verdict === verdict).length, 'drill')} ${WORD[verdict]}</span>`)}<span>Height: time to restore. Strong: this drill.</span></p>
<details class="screen"><summary>The same as a table</summary>${table(drills)}</details>`);
};

const section = (content: Html): Html => html`<section aria-labelledby="history"><h2 id="history">Earlier drills</h2>
${content}</section>`;

const byStart = (a: Proof, b: Proof): number => (a.startedAt < b.startedAt ? -1 : a.startedAt > b.startedAt ? 1 : 0);

const trend = (proof: Proof, drills: readonly Proof[]): string => {
  const before = drills.filter((drill) => drill.drill !== proof.drill).flatMap((drill) => drill.rtoSeconds ?? []);
  const usual = before.toSorted((a, b) => a - b)[Math.floor((before.length - 1) / 2)];
  if (usual === undefined) return 'No earlier drill measured a time to restore.';
  const now = proof.rtoSeconds === null ? 'not measured this time' : `${seconds(proof.rtoSeconds)} this time`;
  return `Time to restore: ${now}; the median of ${counted(before.length, 'earlier drill')} is ${seconds(usual)}.`;
};

const strip = (drills: readonly Proof[], proof: Proof): Html => {
  const goal = proof.goals.rtoSeconds;
  const longest = Math.max(...drills.map((drill) => drill.rtoSeconds ?? 0));
  const shownGoal = goal !== undefined && goal <= longest * 2 ? goal : undefined;
  const top = Math.max(longest, shownGoal ?? 0) * 1.05;
  return html`<svg class="strip" role="img" aria-label="${WORD[proof.verdict]} now; ${counted(drills.length, 'drill')} in all, as in the table below" style="max-width:${drills.length * COLUMN_MAX_PX}px">
${drills.map((drill, index) => column(drill, index, drills.length, top, drill.drill === proof.drill))}<line class="base" x1="0" x2="100%" y1="${BASE_PX}" y2="${BASE_PX}"/>
${shownGoal === undefined ? undefined : html`<line class="goal" x1="0" x2="100%" y1="${height(shownGoal, top)}" y2="${height(shownGoal, top)}"/><text x="0" y="${height(shownGoal, top) - 4}">goal ${seconds(shownGoal)}</text>`}
</svg>`;
};

const height = (value: number, top: number): number => Math.round(BASE_PX - (top > 0 ? value / top : 0) * BASE_PX);

const column = (drill: Proof, index: number, count: number, top: number, now: boolean): Html => {
  const y = drill.rtoSeconds === null ? BASE_PX : Math.min(height(drill.rtoSeconds, top), BASE_PX - 1);
  return html`<g class="${TONE[drill.verdict]}${now ? ' now' : ''}"><title>${instant(drill.startedAt)}: ${WORD[drill.verdict]}, ${drill.rtoSeconds === null ? 'time to restore not measured' : seconds(drill.rtoSeconds)}</title><rect x="${percent(index + 0.15, count)}" width="${percent(0.7, count)}" y="${y}" height="${BASE_PX - y}"/><svg x="${percent(index + 0.5, count)}" y="${CHART_PX - MARK_PX - 4}" overflow="visible"><g transform="translate(${-MARK_PX / 2} 0) scale(${MARK_PX / 16})">${shape(drill.verdict)}</g></svg></g>
`;
};

const table = (
  drills: readonly Proof[],
): Html => html`<table class="wide"><thead><tr><th scope="col">Drill</th><th scope="col">Backup</th><th scope="col">Verdict</th><th scope="col" class="number">Time to restore</th><th scope="col" class="number">Age of backup</th></tr></thead>
<tbody>${drills.toReversed().map(
  (drill) =>
    html`<tr><th scope="row"><time datetime="${drill.startedAt}">${text(instant(drill.startedAt))}</time></th><td data-head="Backup" class="whole">${code(drill.backup)}</td><td class="${TONE[drill.verdict]}">${icon(drill.verdict)} ${WORD[drill.verdict]}</td><td class="number" data-head="Time to restore">${drill.rtoSeconds === null ? 'not measured' : seconds(drill.rtoSeconds)}</td><td class="number" data-head="Age of backup">${seconds(drill.rpoSeconds)}</td></tr>
`,
)}</tbody></table>`;
