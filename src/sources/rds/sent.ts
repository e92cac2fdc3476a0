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
