import { countRows } from '../../backup/rows.ts';
import type { Manifest, Proof } from '../../backup/types.ts';
import { atMost, counted, instant, integer, seconds } from './format.ts';
import { type Html, html } from './html.ts';
import { code, icon, TONE, text, WORD } from './signs.ts';

/** The first screen: the verdict, in one sentence what it rests on, and the four numbers that people come for. */
export const header = (proof: Proof, manifest: Manifest): Html => html`<header>
<p class="kicker"><span>Restore drill of <strong>${text(proof.source)}</strong>, ${text(manifest.source.product)} ${text(manifest.source.version)}</span><time datetime="${proof.startedAt}">${instant(proof.startedAt)}</time></p>
<h1 class="${TONE[proof.verdict]}">${icon(proof.verdict)} ${WORD[proof.verdict]}</h1>
${sentences(proof, manifest).map((sentence) => html`<p class="lead">${sentence}</p>\n`)}${figures(proof, manifest)}
${wrong(proof)}
</header>`;

const sentences = (proof: Proof, manifest: Manifest): readonly Html[] => {
  const backup = html`Backup ${code(proof.backup)}`;
  switch (proof.verdict) {
    case 'PASSED':
      return [
        html`${backup} ${restoredIn(proof)}. ${equality(proof, manifest)} When the copy was then damaged on purpose, the audit noticed it.`,
      ];
    case 'FAILED':
      return failed(proof, backup);
    case 'NOT_MEASURED':
      return [html`${backup} is neither proven nor disproven by this drill: ${reason(proof)}.`];
  }
};

const restoredIn = (proof: Proof): Html =>
  proof.rtoSeconds === null ? html`was restored` : html`was restored in <span class="whole">${seconds(proof.rtoSeconds)}</span>`;

const equality = (proof: Proof, manifest: Manifest): string => {
  const classes = classesOf(proof).size;
  if (classes === 0) return `${counted(proof.checks.length, 'check')} passed.`;
  const rows = counted(BigInt(countRows(manifest.digests)), 'row');
  return classes === 1 ? `Its one class, ${rows}, came back equal.` : `All ${integer(classes)} classes, ${rows}, came back equal.`;
};

const failed = (proof: Proof, backup: Html): readonly Html[] => {
  const wrongChecks = proof.checks.filter((check) => !check.ok);
  const classes = new Set(wrongChecks.flatMap((check) => check.class ?? [])).size;
  const found: Html[] = [];
  if (proof.rtoSeconds === null && proof.failure !== null) found.push(html`${backup} was not restored: ${text(proof.failure.message)}.`);
  else if (wrongChecks.length > 0) {
    const where =
      classes === 0 ? '' : `; ${counted(classes, 'class', 'classes')} ${classes === 1 ? 'differs' : 'differ'} from what was backed up`;
    found.push(
      html`${backup} ${restoredIn(proof)}, and ${integer(wrongChecks.length)} of ${counted(proof.checks.length, 'check')} failed${where}.`,
    );
  }
  if (proof.control?.ok === false)
    found.push(html`The audit did not fail on exactly what was damaged on purpose, so that it passed before means nothing.`);
  return found.length > 0 ? found : [html`${backup} failed this drill.`];
};

const reason = (proof: Proof): Html => text(proof.failure?.message ?? proof.notMeasured[0]?.why ?? 'no step says why');

const classesOf = (proof: Proof): ReadonlySet<string> => new Set(proof.checks.flatMap((check) => check.class ?? []));

const figures = (proof: Proof, manifest: Manifest): Html => {
  const classes = classesOf(proof).size;
  return html`<dl class="figures">
${figure('Time to restore (RTO)', proof.rtoSeconds === null ? 'not measured' : seconds(proof.rtoSeconds), goalNote(proof.goals.rtoSeconds, proof.rtoSeconds))}
${figure('Age of the backup (RPO)', seconds(proof.rpoSeconds), goalNote(proof.goals.rpoSeconds, proof.rpoSeconds))}
${figure('Compared', classes === 0 ? 'nothing' : counted(BigInt(countRows(manifest.digests)), 'row'), html`<dd class="note">${classes === 0 ? 'no class was looked at' : `in ${counted(classes, 'class', 'classes')}, by count and content`}</dd>`)}
${figure('Negative control', controlWord(proof), html`<dd class="note">whether the audit can fail</dd>`)}
</dl>`;
};

const figure = (name: string, value: string, note: Html): Html => html`<div><dt>${name}</dt><dd>${value}</dd>${note}</div>`;

const goalNote = (goal: number | undefined, measured: number | null): Html => {
  if (goal === undefined) return html`<dd class="note">no goal set</dd>`;
  const missed = measured !== null && measured > goal;
  return html`<dd class="note${missed ? ' failed' : ''}">goal: ${atMost(goal)}${missed ? ' – missed' : ''}</dd>`;
};

const controlWord = (proof: Proof): string => (proof.control === null ? 'not run' : proof.control.ok ? 'damage found' : 'damage missed');

const wrong = ({ failure, verdict }: Proof): Html | undefined =>
  failure === null
    ? undefined
    : html`<div class="wrong ${verdict === 'FAILED' ? 'failed' : 'unmeasured'}"><h2>${verdict === 'PASSED' ? 'Afterwards, something went wrong' : 'What went wrong'}</h2>
<p>${code(failure.code)} ${text(failure.message)}</p>${failure.hint === '' ? undefined : html`<p class="hint">${text(failure.hint)}</p>`}</div>`;
