import type { ProofState } from '../backup/proof-state.ts';
import { age } from './format.ts';
import type { Style } from './style.ts';

/** The state of a backup's proof in words: `proven 2 days ago`, `never drilled`, `FAILED 3 hours ago`. */
export const proofWords = (proof: ProofState, now: Date): string => {
  const when = proof.at === undefined ? '' : ` ${age(new Date(proof.at), now)}`;
  switch (proof.state) {
    case 'never':
      return 'never drilled';
    case 'PASSED':
      return `proven${when}`;
    case 'FAILED':
      return `FAILED${when}`;
    case 'NOT_MEASURED':
      return proof.passedAt === undefined ? `not measured${when}` : `proven ${age(new Date(proof.passedAt), now)}, not measured since`;
  }
};

export const paintProof = (style: Style, state: ProofState['state'], words: string): string => {
  if (state === 'PASSED') return style.good(words);
  return state === 'FAILED' ? style.bad(words) : style.warn(words);
};

export const proofJson = (proof: ProofState): Readonly<Record<string, unknown>> => ({
  state: proof.state,
  at: proof.at ?? null,
  drill: proof.drill ?? null,
  passedAt: proof.passedAt ?? null,
  damaged: proof.damaged ?? [],
});
