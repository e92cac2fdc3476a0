import { parseBackupId } from '../../backup/id.ts';
import type { Proof, Verdict } from '../../backup/types.ts';
import { SCRATCH, targetNamed } from '../../environment/adhoc.ts';
import { exitCodeOf, LifeboatError } from '../../errors.ts';
import { type Call, type Command, text } from '../command.ts';
import { block, duration, plural } from '../format.ts';
import { locate } from '../location.ts';
import { RUN_OPTIONS, STORE_OPTION } from '../options.ts';
import { pickBackup, pickSource } from '../pick.ts';

const SELECTIONS = ['latest', 'oldest', 'random', 'never-drilled'];

const EXITS: Readonly<Record<Verdict, number>> = { PASSED: 0, FAILED: exitCodeOf('DrillFailed'), NOT_MEASURED: exitCodeOf('NotMeasured') };

/** Failed checks that the summary names; the report has them all. */
const CHECKS_SHOWN = 10;

/** Runs the drill state machine; its verdict is the exit code. */
export const drill: Command = {
  name: 'drill',
  summary: 'restore a backup into a scratch target and prove that it is whole',
  usage: '<source>',
  positionals: { min: 0, max: 1 },
  options: {
    backup: { type: 'string', value: '<id>', help: 'this backup (default: what the source selects, else the latest)' },
    select: { type: 'string', value: '<which>', help: `one of ${SELECTIONS.join(', ')}` },
    seed: { type: 'string', value: '<n>', help: 'repeats the random choices of another drill' },
    scratch: {
      type: 'string',
      value: '<url>',
      help: 'where the scratch target is made: a URL or a target of the environment (default drill.scratch of the source)',
    },
    ...RUN_OPTIONS,
    ...STORE_OPTION,
  },
  details: 'Exit code 0 when it passed, 3 when it failed, 4 when nothing was measured.',
  run: async (call) => {
    const seed = seedOf(call);
    const selection = selectionOf(call);
    const source = await pickSource(call, call.positionals[0]);
    const backup = await backupOf(call, source);
    const given = text(call.flags, 'scratch');
    const scratch = given === undefined ? undefined : targetNamed(await call.environment(), given, SCRATCH);
    const engine = await call.engine();
    const { proof, keys } = await engine.drill({ source, backup, selection, seed, scratch }, call.run);
    const store = await call.store();
    const report = locate(store, keys.html);
    return { json: { ...proof, record: locate(store, keys.json), report }, text: render(proof, report, call), exit: EXITS[proof.verdict] };
  },
};

const seedOf = (call: Call): number | undefined => {
  const given = text(call.flags, 'seed');
  if (given === undefined) return undefined;
  if (/^\d{1,15}$/.test(given)) return Number(given);
  throw new LifeboatError('Usage', `not a seed: ${given}`, { hint: 'A seed is a whole number; each drill report names its own.' });
};

const selectionOf = (call: Call): string | undefined => {
  const given = text(call.flags, 'select');
  if (given === undefined) return undefined;
  if (text(call.flags, 'backup') !== undefined) throw new LifeboatError('Usage', '--backup and --select exclude each other');
  if (SELECTIONS.includes(given)) return given;
  throw new LifeboatError('Usage', `unknown selection: ${given}`, { hint: `It is one of ${SELECTIONS.join(', ')}.` });
};

const backupOf = async (call: Call, source: string) => {
  const given = text(call.flags, 'backup');
  if (given === undefined) return undefined;
  const entry = await pickBackup({ ...call, flags: { ...call.flags, source } }, given);
  return parseBackupId(entry.backup);
};

const render = (proof: Proof, report: string, { style }: Call): string => {
  const failed = proof.checks.filter((check) => !check.ok);
  const verdict = { PASSED: style.good('PASSED'), FAILED: style.bad('FAILED'), NOT_MEASURED: style.warn('NOT MEASURED') }[proof.verdict];
  const lines: [string, string][] = [
    ['verdict', verdict],
    ['RTO', proof.rtoSeconds === null ? 'not measured' : withGoal(proof.rtoSeconds, proof.goals.rtoSeconds)],
    ['RPO', withGoal(proof.rpoSeconds, proof.goals.rpoSeconds)],
    ['checks', `${plural(proof.checks.length, 'check')}, ${failed.length} failed`],
    ['control', controlWords(proof)],
    ...failed
      .slice(0, CHECKS_SHOWN)
      .map((check): [string, string] => ['failed', `${check.name}: expected ${check.expected}, found ${check.actual}`]),
    ...proof.notMeasured.map(({ what, why }): [string, string] => ['not measured', `${what}: ${why}`]),
    ...(proof.failure === null ? [] : [['error', `${proof.failure.code}: ${proof.failure.message}`] satisfies [string, string]]),
    ...(proof.failure === null || proof.failure.hint === '' ? [] : [['hint', proof.failure.hint] satisfies [string, string]]),
    ['seed', String(proof.seed)],
    ['report', report],
  ];
  return `${style.bold(`drill ${proof.drill} of backup ${proof.backup} of ${proof.source}`)}\n${block(lines)}`;
};

const withGoal = (seconds: number, goal: number | undefined): string => {
  if (goal === undefined) return duration(seconds);
  return `${duration(seconds)} (goal ${duration(goal)}, ${seconds <= goal ? 'met' : 'missed'})`;
};

const controlWords = ({ control }: Proof): string => {
  if (control === null) return 'not run';
  return `${control.what.join(', ')}: ${control.ok ? 'the audit saw it' : 'the audit did not see exactly that'}`;
};
