import type { Manifest, Proof } from '../../backup/types.ts';
import { checks } from './checks.ts';
import { header } from './header.ts';
import { history } from './history.ts';
import { html, textOf } from './html.ts';
import { phases } from './phases.ts';
import { backup, control, notMeasured, scope } from './sections.ts';
import { WORD } from './signs.ts';
import { style } from './style.ts';

/**
 * The page that a person reads: one file without a script, that loads nothing (its policy forbids both) and can be kept for years.
 * `earlier` are the proofs of the same source, in any order; this one may be among them.
 */
export const renderReport = (proof: Proof, earlier: readonly Proof[], manifest: Manifest): string =>
  textOf(html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>${WORD[proof.verdict]}: drill of ${proof.source}, ${proof.drill} – Lifeboat</title>
${style()}
</head>
<body>
<main>
${header(proof, manifest)}
${phases(proof)}
${checks(proof)}
${control(proof)}
${notMeasured(proof)}
${scope(proof, manifest)}
${history(proof, earlier)}
${backup(proof, manifest)}
</main>
</body>
</html>
`);
