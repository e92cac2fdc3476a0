import { LifeboatError } from '../errors.ts';
import type { Body, ReadOptions } from './store.ts';

export const bytesOf = (body: Body): number => (body instanceof Uint8Array ? body.length : body.bytes);

/** Bytes `start` to `end` of a body: a view where it is in memory, otherwise `buffer` filled with them. Nothing else is copied. */
export const piece = async (body: Body, start: number, end: number, buffer: () => Uint8Array): Promise<Uint8Array> => {
  if (body instanceof Uint8Array) return body.subarray(start, end);
  const into = buffer().subarray(0, end - start);
  let filled = 0;
  for await (const chunk of body.open(start, end)) {
    if (filled + chunk.length > into.length) throw bodyChanged(end - start, filled + chunk.length);
    into.set(chunk, filled);
    filled += chunk.length;
  }
  if (filled !== into.length) throw bodyChanged(end - start, filled);
  return into;
};

export const bodyChanged = (expected: number, actual: number): LifeboatError =>
  new LifeboatError('SegmentMismatch', `what is to be stored has ${actual} bytes instead of ${expected}`, {
    hint: 'A temporary file was changed while it was read; try again.',
  });

/** A range as bounds within an object: like `slice`, it ends where the object does. */
export const boundsOf = (range: ReadOptions['range'], bytes: number): { readonly start: number; readonly end: number } => {
  checkRange(range);
  const start = Math.min(range?.start ?? 0, bytes);
  return { start, end: Math.max(start, Math.min(range?.end ?? bytes, bytes)) };
};

export const checkRange = (range: ReadOptions['range']): void => {
  if (range === undefined) return;
  const { start, end } = range;
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start)
    throw new RangeError(`bytes ${start} to ${end} are no range`);
};
