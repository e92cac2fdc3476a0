import { LifeboatError } from '../../errors.ts';
import { type Call, type Command, text } from '../command.ts';
import { age, duration, table } from '../format.ts';
import { STORE_OPTION } from '../options.ts';

const LIMIT_DEFAULT = 20;
const LIMIT_MAX = 1000;

/** Shows what ran, newest first. */
export const executions: Command = {
  name: 'executions',
  summary: 'show what ran: backups, restores, drills, newest first',
  usage: '',
  positionals: { min: 0, max: 0 },
  options: { limit: { type: 'string', value: '<n>', help: `how many (default ${LIMIT_DEFAULT})` }, ...STORE_OPTION },
  run: async (call) => {
    const found = await (await call.engine()).executions({ limit: limitOf(call) });
    if (found.length === 0) return { json: { executions: found }, text: 'nothing ran yet' };
    const now = call.io.now();
    const rows = found.map(({ execution, machine, status, startedAt, endedAt, error }) => [
      execution,
      machine,
      status,
      age(new Date(startedAt), now),
      endedAt === null ? '' : duration((Date.parse(endedAt) - Date.parse(startedAt)) / 1000),
      error ?? '',
    ]);
    return { json: { executions: found }, text: table(['EXECUTION', 'MACHINE', 'STATUS', 'STARTED', 'TOOK', 'ERROR'], rows) };
  },
};

const limitOf = (call: Call): number => {
  const given = text(call.flags, 'limit') ?? String(LIMIT_DEFAULT);
  const limit = /^\d{1,4}$/.test(given) ? Number(given) : 0;
  if (limit >= 1 && limit <= LIMIT_MAX) return limit;
  throw new LifeboatError('Usage', `not a number of executions: ${given}`, { hint: `It is from 1 to ${LIMIT_MAX}.` });
};
