import { FORMAT_KEY } from '../../backup/layout.ts';
import { readAll } from '../../backup/objects.ts';
import { exitCodeOf, isLifeboatError, LifeboatError } from '../../errors.ts';
import type { Store } from '../../stores/store.ts';
import type { Call, Command } from '../command.ts';
import { STORE_OPTION } from '../options.ts';

/** In the control area; written and removed again. */
const PROBE_KEY = 'doctor/probe';

interface Finding {
  readonly what: string;
  readonly ok: boolean;
  readonly message: string;
  readonly hint: string;
}

/** Looks at everything that a backup needs, before it is needed. */
export const doctor: Command = {
  name: 'doctor',
  summary: 'check the store, the sources and the versions of an environment',
  usage: '',
  positionals: { min: 0, max: 0 },
  options: STORE_OPTION,
  details: 'Exit code 1 when something is wrong.',
  run: async (call) => {
    const environment = await call.environment();
    const findings: Finding[] = [{ what: 'node', ok: true, message: process.versions.node, hint: '' }];
    findings.push(await finding('store', async () => storeWords(await call.store())));
    findings.push(await finding('control', async () => probe(await call.control())));
    for (const source of Object.keys(environment.sources)) findings.push(...(await sourceFindings(call, source)));
    const ok = findings.every((found) => found.ok);
    const { style } = call;
    const lines = findings.map(({ what, ok: good, message, hint }) => {
      const mark = good ? style.good('ok     ') : style.bad('problem');
      return `${mark}  ${what}: ${message}${hint === '' ? '' : `\n         hint: ${hint}`}`;
    });
    return { json: { environment: environment.name, ok, findings }, text: lines.join('\n'), exit: ok ? 0 : exitCodeOf('SourceProblem') };
  },
};

const finding = async (what: string, look: () => Promise<string>): Promise<Finding> => {
  try {
    return { what, ok: true, message: await look(), hint: '' };
  } catch (error) {
    if (isLifeboatError(error) && error.code !== 'Interrupted')
      return { what, ok: false, message: `${error.code}: ${error.message}`, hint: error.hint };
    throw error;
  }
};

/** Where a store is there, its first object is created once more: that needs the right to write, and writes nothing. */
const storeWords = async (store: Store): Promise<string> => {
  const format = await readAll(store, FORMAT_KEY);
  if (format === undefined) return `${store.url} has no backups yet; the first one makes the store`;
  const { created } = await store.create(FORMAT_KEY, format);
  if (created) throw new LifeboatError('StoreConflict', `${FORMAT_KEY} of ${store.url} vanished while it was looked at`);
  return `${store.url} can be read and written`;
};

const probe = async (control: Store): Promise<string> => {
  const etag = (await control.head(PROBE_KEY))?.etag ?? null;
  if ((await control.replace(PROBE_KEY, new TextEncoder().encode('{}\n'), etag)) === undefined)
    throw new LifeboatError('StoreConflict', `another doctor is at work in ${control.url}`, { hint: 'Try again.' });
  await control.delete(PROBE_KEY);
  return `${control.url} can be read, written and deleted from`;
};

const sourceFindings = async (call: Call, source: string): Promise<Finding[]> => {
  const what = `source ${source}`;
  const problems: Finding[] = [];
  const reached = await finding(what, async () => {
    const facts = await (await call.engine()).inspect({ source }, call.run);
    problems.push(...facts.problems.map(({ code, message, hint }) => ({ what, ok: false, message: `${code}: ${message}`, hint })));
    return `${facts.product} ${facts.version} at ${facts.place}`;
  });
  return [reached, ...problems];
};
