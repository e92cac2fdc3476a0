import type { Verdict } from '../../backup/types.ts';
import { type Html, html } from './html.ts';

/** How a verdict is written for people. */
export const WORD: Readonly<Record<Verdict, string>> = { PASSED: 'PASSED', FAILED: 'FAILED', NOT_MEASURED: 'NOT MEASURED' };

/** The class that gives a verdict its colour. */
export const TONE: Readonly<Record<Verdict, string>> = { PASSED: 'passed', FAILED: 'failed', NOT_MEASURED: 'unmeasured' };

/** Each verdict has a form of its own, for eyes and printers that see no colour. Drawn in a square of 16. */
export const shape = (verdict: Verdict): Html => {
  switch (verdict) {
    case 'PASSED':
      return html`<path d="M8 0a8 8 0 1 0 0 16A8 8 0 0 0 8 0Zm4.6 5.9-5.3 5.9a1 1 0 0 1-1.4.1L3.3 9.6l1.2-1.5 1.9 1.6 4.7-5.2z"/>`;
    case 'FAILED':
      return html`<path d="M3 0 0 3l5 5-5 5 3 3 5-5 5 5 3-3-5-5 5-5-3-3-5 5z"/>`;
    case 'NOT_MEASURED':
      return html`<path fill-rule="evenodd" d="M8 0a8 8 0 1 0 0 16A8 8 0 0 0 8 0Zm0 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2Zm-3.5 5v2h7V7z"/>`;
  }
};

export const icon = (verdict: Verdict): Html =>
  html`<svg class="icon ${TONE[verdict]}" viewBox="0 0 16 16" fill="currentColor" aria-hidden="true">${shape(verdict)}</svg>`;

/** Text of the backup or the drill: escaped by `html`, and kept from turning the line around it. */
export const text = (value: string): Html => html`<bdi>${value}</bdi>`;

export const code = (value: string): Html => html`<code dir="ltr">${value}</code>`;
