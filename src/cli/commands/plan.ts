import { latest, type SoundEntry } from '../../backup/catalog.ts';
import type { Call, Command } from '../command.ts';
import type { Bill, DeployedPlan } from '../engine.ts';
import { block, count, duration, plural, size, table } from '../format.ts';
import { STORE_OPTION } from '../options.ts';
import { pickSource, sourceEntry } from '../pick.ts';
import type { Style } from '../style.ts';
import { rawBytes, secondsOf } from '../summary.ts';

/** Says what a backup would do; the estimate is what the last backup was. */
export const plan: Command = {
  name: 'plan',
  summary: 'say what a backup of a source would do, and about how long it takes',
  usage: '<source>',
  positionals: { min: 0, max: 1 },
  options: STORE_OPTION,
  run: async (call) => {
    const source = await pickSource(call, call.positionals[0]);
    sourceEntry(await call.environment(), source);
    const engine = await call.engine();
    const result = await engine.plan({ source }, call.run);
    const estimate = estimateFrom(await lastBackup(call, source));
    const { facts } = result;
    const { deployed = null, ...planned } = result;
    const json = { ...planned, estimate, deployed };
    const text = [
      `plan for ${source}`,
      block([
        ['source', `${facts.product} ${facts.version} at ${facts.place}`],
        ['size', size(facts.bytes)],
        [
          'tasks',
          `${result.tasks === null ? 'known when it runs' : plural(result.tasks, 'task')}, ${result.mode === 'together' ? 'all at the same time' : 'independent of each other'}`,
        ],
        ['estimate', estimate === null ? 'none before the first backup' : estimateWords(estimate)],
        ...facts.problems.map((problem): [string, string] => ['problem', `${problem.code}: ${problem.message}. ${problem.hint}`]),
      ]),
      ...(deployed === null ? [] : deployedWords(deployed, call.style)),
    ].join('\n');
    return { json, text };
  },
};

interface Estimate {
  readonly backup: string;
  readonly segments: number;
  readonly bytes: number;
  readonly rawBytes: number;
  readonly seconds: number;
}

const lastBackup = async (call: Call, source: string): Promise<SoundEntry | undefined> => latest(await call.store(), source);

const estimateFrom = (entry: SoundEntry | undefined): Estimate | null =>
  entry === undefined
    ? null
    : {
        backup: entry.backup,
        segments: entry.manifest.segments.length,
        bytes: entry.bytes,
        rawBytes: rawBytes(entry),
        seconds: secondsOf(entry),
      };

const estimateWords = (estimate: Estimate): string =>
  `as backup ${estimate.backup}: ${plural(estimate.segments, 'segment')}, ${size(estimate.bytes)}, ${duration(estimate.seconds)}`;

const deployedWords = ({ basis, backup, month, limits, notCounted }: DeployedPlan, style: Style): string[] => [
  '',
  `on AWS, at list prices of us-east-1 (${basis})`,
  billTable('one backup', backup),
  '',
  billTable('a month', month),
  '',
  table(
    ['LIMIT', 'VALUE', 'OF', 'UNIT', ''],
    limits.map(({ what, value, limit, unit, fits, hint }) => [
      what,
      count(Math.round(value)),
      count(limit),
      unit,
      fits ? style.good('fits') : style.bad(`too much. ${hint}`),
    ]),
    { right: [1, 2] },
  ),
  '',
  'not counted:',
  ...notCounted.map(({ what, why }) => `    ${what}: ${why}`),
  'At most so much: functions are counted as if all of them worked from start to end. --json names source and date of each price.',
];

const billTable = (title: string, { lines, usd }: Bill): string =>
  table(
    [title.toUpperCase(), 'QUANTITY', 'UNIT', 'USD'],
    [...lines.map((line) => [line.what, quantity(line.quantity), line.unit, line.usd.toFixed(4)]), ['together', '', '', usd.toFixed(4)]],
    { right: [1, 3] },
  );

const quantity = (value: number): string => (value < 100 ? value.toFixed(3) : count(Math.round(value)));
