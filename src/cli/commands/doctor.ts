import { listBackups, type SoundEntry } from '../../backup/catalog.ts';
import { FORMAT_KEY } from '../../backup/layout.ts';
import { readAll } from '../../backup/objects.ts';
import type { Environment } from '../../environment/environment.ts';
import { exitCodeOf, isLifeboatError, LifeboatError } from '../../errors.ts';
import type { Store } from '../../stores/store.ts';
import type { Call, Command } from '../command.ts';
import type { Finding } from '../engine.ts';
import { plural } from '../format.ts';
import { STORE_OPTION } from '../options.ts';
import { isBeyondHorizon } from '../summary.ts';

/** In the control area; written and removed again. */
const PROBE_KEY = 'doctor/probe';

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
    const engine = await call.engine();
    const findings: Finding[] = [{ what: 'node', state: 'ok', message: process.versions.node, hint: '' }];
    findings.push(...(engine.examine === undefined ? await lookHere(call, environment) : await engine.examine(call.run)));
    for (const source of Object.keys(environment.sources)) findings.push(...(await horizonFindings(call, source)));
    const ok = findings.every(({ state }) => state !== 'failed');
    const json = findings.map(({ what, state, message, hint }) => ({ what, state, ok: state !== 'failed', message, hint }));
    return {
      json: { environment: environment.name, ok, findings: json },
      text: linesOf(findings, call),
      exit: ok ? 0 : exitCodeOf('SourceProblem'),
    };
  },
};

const WORDS: Readonly<Record<Finding['state'], string>> = {
  ok: 'ok',
  warning: 'warning',
  failed: 'problem',
  'not-measured': 'not measured',
};

const linesOf = (findings: readonly Finding[], { style }: Call): string => {
  const width = Math.max(WORDS.warning.length, ...findings.map(({ state }) => WORDS[state].length));
  const paint = { ok: style.good, warning: style.warn, failed: style.bad, 'not-measured': style.warn };
  return findings
    .map(({ what, state, message, hint }) => {
      const mark = paint[state](WORDS[state].padEnd(width));
      return `${mark}  ${what}: ${message}${hint === '' ? '' : `\n${' '.repeat(width + 2)}hint: ${hint}`}`;
    })
    .join('\n');
};

/** Where everything runs on this machine, its stores and its sources are what a backup needs. */
const lookHere = async (call: Call, environment: Environment): Promise<readonly Finding[]> => {
  const findings = [
    await finding('store', async () => storeWords(await call.store())),
    await finding('control', async () => probe(await call.control())),
  ];
  for (const source of Object.keys(environment.sources)) findings.push(...(await sourceFindings(call, source)));
  return findings;
};

const finding = async (what: string, look: () => Promise<string>): Promise<Finding> => {
  try {
    return { what, state: 'ok', message: await look(), hint: '' };
  } catch (error) {
    if (isLifeboatError(error) && error.code !== 'Interrupted')
      return { what, state: 'failed', message: `${error.code}: ${error.message}`, hint: error.hint };
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
    problems.push(
      ...facts.problems.map(({ code, message, hint }): Finding => ({ what, state: 'failed', message: `${code}: ${message}`, hint })),
    );
    return `${facts.product} ${facts.version} at ${facts.place}`;
  });
  return [reached, ...problems];
};

/** Backups that point at what may be gone. A store that cannot be read has its own finding. */
const horizonFindings = async (call: Call, source: string): Promise<Finding[]> => {
  const old: SoundEntry[] = [];
  let all = 0;
  try {
    for await (const entry of listBackups(await call.store(), source)) {
      all++;
      if (entry.state === 'sound' && isBeyondHorizon(entry, call.io.now())) old.push(entry);
    }
  } catch (error) {
    if (isLifeboatError(error) && error.code !== 'Interrupted') return [];
    throw error;
  }
  const newest = old.at(-1);
  if (newest === undefined) return [];
  const message = `${old.length} of ${plural(all, 'backup')} are beyond the horizon: ${newest.manifest.horizon?.why ?? ''}`;
  return [
    {
      what: `source ${source}`,
      state: 'warning',
      message,
      hint: 'Keep deleted data as long as you keep backups, or know that these restore without it.',
    },
  ];
};
