import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { isLifeboatError } from '../../errors.ts';
import { systemFromUrl } from '../../sources/registry.ts';
import { UsageError } from '../arguments.ts';
import { failedChecks } from '../checks.ts';
import { type Call, type Command, isSet, type Outcome } from '../command.ts';
import { plural, size } from '../format.ts';
import { systemNamed } from '../system.ts';

const STDIN = '-';

/** Reads one native artifact from a file or a pipe into an empty system. */
export const load: Command = {
  name: 'load',
  summary: 'load one artifact into an empty system, without a store',
  usage: '<url> <file>|-',
  positionals: { min: 2, max: 2 },
  options: {
    overwrite: { type: 'boolean', help: 'replace what is in the target' },
    'ignore-missing-dump': { type: 'boolean', help: 'a file that is not there is no failure: nothing is loaded' },
    'ignore-dump-if-db-exists': { type: 'boolean', help: 'a target that holds something is no failure: it stays as it is' },
  },
  details: 'The last two mean what they mean to meilisearch --import-dump, and work for every kind.',
  run: async (call) => {
    const [to = '', from = ''] = call.positionals;
    if (isSet(call.flags, 'ignore-missing-dump') && (await isMissing(call, from))) return skipped(to, from, `there is no ${from}`);
    const input = await openInput(call, from);
    try {
      const { system, engine } = await systemNamed(call, to, 'targets');
      const result = await engine.load(system, input, { overwrite: isSet(call.flags, 'overwrite') }, call.run);
      const failed = failedChecks(result.checks, call.style);
      const outcome = failed.exit === 0 ? '' : `: ${failed.text}`;
      return {
        json: { target: system.redacted, file: from, ok: failed.exit === 0, ...result },
        text: `${from === STDIN ? 'stdin' : from} loaded into ${system.redacted}: ${plural(result.rows, 'row')}, ${size(result.bytes)}${outcome}`,
        exit: failed.exit,
      };
    } catch (error) {
      if (isSet(call.flags, 'ignore-dump-if-db-exists') && isLifeboatError(error, 'TargetNotEmpty'))
        return skipped(to, from, error.message);
      throw error;
    } finally {
      if (from !== STDIN) input.destroy();
    }
  },
};

const isMissing = async (call: Call, from: string): Promise<boolean> =>
  from !== STDIN &&
  stat(resolve(call.io.cwd, from)).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
  );

const skipped = (to: string, from: string, why: string): Outcome => ({
  json: { target: systemFromUrl(to).redacted, file: from, ok: true, rows: '0', bytes: 0, checks: [] },
  text: `nothing was loaded: ${why}`,
});

const openInput = async (call: Call, from: string): Promise<Readable> => {
  if (from === STDIN) {
    if (call.io.terminal.stdin) throw new UsageError('stdin is a terminal', 'Send an artifact through a pipe, or name a file.', load);
    return call.io.stdin;
  }
  const path = resolve(call.io.cwd, from);
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw new UsageError(
      `cannot read ${from}: ${cause.code ?? cause.message}`,
      'Name a file that `lifeboat dump` wrote, or - for stdin.',
      load,
    );
  });
  if (found.isDirectory()) throw new UsageError(`${from} is a folder`, 'Name a file that `lifeboat dump` wrote, or - for stdin.', load);
  return createReadStream(path);
};
