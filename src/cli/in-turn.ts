import { exitCodeOf, isLifeboatError } from '../errors.ts';
import type { Call, Outcome } from './command.ts';

/** Does one thing after the other and goes on after what failed: one document of all, the exit code of the first failure. */
export const inTurn = async (
  call: Call,
  name: string,
  items: readonly string[],
  work: (item: string) => Promise<Outcome>,
): Promise<Outcome> => {
  const done: Outcome['json'][] = [];
  const failed: Outcome['json'][] = [];
  const lines: string[] = [];
  let exit = 0;
  for (const item of items) {
    try {
      const outcome = await work(item);
      done.push(outcome.json);
      lines.push(outcome.text);
      exit ||= outcome.exit ?? 0;
    } catch (error) {
      if (call.run.signal.aborted || !isLifeboatError(error)) throw error;
      const { code, message, hint } = error;
      failed.push({ name: item, error: { code, message, hint } });
      lines.push(call.style.bad(`${item}: ${message}`), ...(hint === '' ? [] : [`    ${hint}`]));
      exit ||= exitCodeOf(code);
    }
  }
  return { json: { [name]: done, failed }, text: lines.join('\n'), exit };
};
