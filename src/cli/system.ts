import { LifeboatError } from '../errors.ts';
import { systemFromUrl, systemOf } from '../sources/registry.ts';
import type { System } from '../sources/system.ts';
import type { Call } from './command.ts';
import type { Engine } from './engine.ts';

/** The system of a URL, or of a name in the environment, and the engine for it. A URL needs no environment. */
export const systemNamed = async (
  call: Call,
  word: string,
  among: 'sources' | 'targets',
): Promise<{ readonly system: System; readonly engine: Engine }> => {
  if (word.includes('://')) {
    const system = systemFromUrl(word);
    return { system, engine: await call.engine('alone') };
  }
  const environment = await call.environment();
  const entry = environment[among][word];
  if (entry === undefined)
    throw new LifeboatError('UnknownSource', `neither a URL nor one of the ${among} of environment ${environment.name}: ${word}`, {
      hint: `Such as postgres://user@host/db, or ${Object.keys(environment[among]).join(', ') || 'a name that the environment has'}.`,
    });
  return { system: systemOf(entry, `${among}.${word}`), engine: await call.engine() };
};
