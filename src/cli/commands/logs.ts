import type { Command } from '../command.ts';
import type { LogLine } from '../engine.ts';
import { STORE_OPTION } from '../options.ts';

/** The document of --json holds the last of them. */
const LINES_MAX = 10_000;

/** Shows the log of one execution. */
export const logs: Command = {
  name: 'logs',
  summary: 'show the log of an execution, or of the last one',
  usage: '[<execution>]',
  positionals: { min: 0, max: 1 },
  options: STORE_OPTION,
  run: async (call) => {
    const engine = await call.engine();
    const lines: LogLine[] = [];
    for await (const line of engine.logs({ execution: call.positionals[0] })) {
      call.run.signal.throwIfAborted();
      lines.push(line);
      if (lines.length > LINES_MAX) lines.shift();
    }
    return { json: { lines }, text: lines.map(({ at, text }) => `${at}  ${text}`).join('\n') };
  },
};
