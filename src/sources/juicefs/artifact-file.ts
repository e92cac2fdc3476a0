import type { ArtifactFormat } from '../artifact-format.ts';

/** A dump begins with its Setting, which begins with Name and UUID. */
const OPENING = /^\s*\{\s*"Setting":\s*\{\s*"Name":\s*"[^"]*",\s*"UUID":/;
/** The braces of the last directory, the tree and the document. */
const CLOSING = /\}\s*\}\s*\}\s*$/;

export const artifactFile: ArtifactFormat = {
  format: 'JuiceFS dump (JSON)',
  recognises: (head) => OPENING.test(Buffer.from(head).toString('utf8')),
  isWhole: (tail) => CLOSING.test(Buffer.from(tail).toString('utf8')),
};
