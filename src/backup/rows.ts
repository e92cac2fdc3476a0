import type { ClassDigest } from './types.ts';

/** Of a class that holds what the source computes from another one: as many rows, none of them content of its own. */
const GENERATED = ' (generated)';

export const generatedClass = (name: string): string => `${name}${GENERATED}`;

/** Rows as people count them, a decimal string: those of a generated class are rows of the class that it belongs to. */
export const countRows = (digests: readonly Pick<ClassDigest, 'name' | 'rows'>[]): string => {
  const names = new Set(digests.map(({ name }) => name));
  const own = digests.filter(({ name }) => !(name.endsWith(GENERATED) && names.has(name.slice(0, -GENERATED.length))));
  return own.reduce((sum, { rows }) => sum + BigInt(rows), 0n).toString();
};
