import { LifeboatError } from '../../errors.ts';
import type { Tags } from './api.ts';
import { rdsError, rdsName } from './errors.ts';

export const tagsOf = (tags: Tags): { Key: string; Value: string }[] => Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));

export const sent = async <T>(doing: string, send: () => Promise<T>): Promise<T> => {
  try {
    return await send();
  } catch (error) {
    throw rdsError(error, doing);
  }
};

/** Undefined where RDS answers with the error of this name. */
export const unless = async <T>(name: string, doing: string, send: () => Promise<T>): Promise<T | undefined> => {
  try {
    return await send();
  } catch (error) {
    if (rdsName(error) === name) return undefined;
    throw rdsError(error, doing);
  }
};

/** The one refusal that has nothing to do with rights: a snapshot under the default key can be given to nobody. */
export const sharing = async (doing: string, send: () => Promise<unknown>): Promise<void> => {
  try {
    await send();
  } catch (error) {
    if (!(error instanceof Error) || !/\bdefault\b.*\bkey\b/i.test(error.message)) throw rdsError(error, doing);
    throw new LifeboatError('SnapshotNotShareable', `${doing}: ${error.message}`, {
      hint: 'Name a customer managed key under share.kmsKey: the default key aws/rds cannot be shared, so a copy under that key is.',
      cause: error,
    });
  }
};
