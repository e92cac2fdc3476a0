/** Longest text of one check or one error in a proof, in UTF-16 units: a product may answer with a page, and a proof must be storable. */
export const PROOF_TEXT_MAX = 4096;

const CUT = ' … (cut)';

export const clip = (text: string): string =>
  text.length <= PROOF_TEXT_MAX ? text : `${text.slice(0, PROOF_TEXT_MAX - CUT.length).toWellFormed()}${CUT}`;
