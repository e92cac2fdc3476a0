import { LifeboatError } from '../../../errors.ts';

/** An RDB that is cut, changed, or holds what nobody can skip without knowing it. */
export const damaged = (what: string, at: number): LifeboatError =>
  new LifeboatError('ArtifactInvalid', `not a whole RDB: ${what}, at byte ${at}`, {
    hint: 'It was cut or changed, or is of a server newer than this reader; take a new one.',
  });

export const unknown = (what: string, at: number): LifeboatError =>
  new LifeboatError('Unsupported', `the RDB holds ${what}, at byte ${at}, which this reader does not know`, {
    hint: 'Keep the volume on a server of its own, or read it with read=scan.',
  });
