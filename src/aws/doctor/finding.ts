import type { Finding } from '../../cli/engine.ts';
import { isLifeboatError } from '../../errors.ts';

export const good = (what: string, message: string): Finding => ({ what, state: 'ok', message, hint: '' });
export const bad = (what: string, message: string, hint: string): Finding => ({ what, state: 'failed', message, hint });
export const unmeasured = (what: string, message: string, hint: string): Finding => ({ what, state: 'not-measured', message, hint });

/** What was found, or why nothing could be: a right that is missing here says nothing of what is deployed. */
export const examined = async (what: string, look: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> => {
  try {
    return await look();
  } catch (error) {
    if (!isLifeboatError(error) || error.code === 'Interrupted') throw error;
    const message = `${error.code}: ${error.message}`;
    return [error.code === 'PermissionDenied' ? unmeasured(what, message, error.hint) : bad(what, message, error.hint)];
  }
};
