import type { Manifest, Proof } from '../../backup/types.ts';
import { checks } from './checks.ts';
import { header } from './header.ts';
import { history } from './history.ts';
import { html } from './html.ts';
import { page } from './page.ts';
import { phases } from './phases.ts';
import { backup, control, notMeasured, scope } from './sections.ts';
import { WORD } from './signs.ts';

/**
 * The page that a person reads and keeps. `earlier` are the proofs of the same source, in any order; this one may be among them.
 * Shows what the proof says, and decides nothing.
 */
export const renderReport = (proof: Proof, earlier: readonly Proof[], manifest: Manifest): string =>
  page(
    `${WORD[proof.verdict]}: drill of ${proof.source}, ${proof.drill}`,
    html`${header(proof, manifest)}
${phases(proof)}
${checks(proof)}
${control(proof)}
${notMeasured(proof)}
${scope(proof, manifest)}
${history(proof, earlier)}
${backup(proof, manifest)}`,
  );
