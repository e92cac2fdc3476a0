import { readFile } from 'node:fs/promises';
import type { Progress } from '../backup/progress.ts';
import { LifeboatError } from '../errors.ts';
import { parseJson } from '../json.ts';
import { noLog, openLog, type StepLog } from './log.ts';
import { parseEnvironment } from './parse.ts';
import { openWorld, type World } from './world.ts';

/** Names the environment file inside a function's bundle. */
const FILE_VARIABLE = 'LIFEBOAT_ENVIRONMENT_FILE';

let given: Promise<World> | undefined;
let log = noLog;

/** Local runs hand the environment over instead of bundling it. */
export const giveWorld = (
  raw: unknown,
  place: { readonly name: string; readonly root: string },
  report: (progress: Progress) => void,
): void => {
  given = openWorld(parseEnvironment(raw, place), report);
};

/** For tests: a world that is open already, with stores and systems of its own. */
export const useWorld = (world: World): void => {
  given = Promise.resolve(world);
};

/** The environment of this function; opened once for all invocations of a warm function. */
export const readWorld = (): Promise<World> => {
  given ??= openBundled();
  return given;
};

/** Where this function tells of itself, once its world is read. */
export const stepLog = (): StepLog => log;

const openBundled = async (): Promise<World> => {
  const path = process.env[FILE_VARIABLE];
  if (path === undefined) throw new LifeboatError('ConfigInvalid', `${FILE_VARIABLE} is not set`, { hint: 'A deployment sets it.' });
  const raw: unknown = parseJson(await readFile(path, 'utf8'));
  const name = path.replace(/^.*\//, '').replace(/\.json$/, '');
  const opened = await openLog(name);
  log = opened;
  return openWorld(parseEnvironment(raw, { name, root: '/tmp', path }), opened.report);
};
