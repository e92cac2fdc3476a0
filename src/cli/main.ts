import { environmentFile } from '../environment/parse.ts';
import { literalSecrets, redactAll, redactUrls, secretsInUrl } from '../environment/redact.ts';
import { openSecrets } from '../environment/secrets.ts';
import { exitCodeOf, isLifeboatError, LifeboatError } from '../errors.ts';
import { type Parsed, parseArguments, UsageError } from './arguments.ts';
import { openCall } from './call.ts';
import { type Command, isSet, type Outcome, text } from './command.ts';
import { commands } from './commands.ts';
import type { MakeEngine } from './engine.ts';
import { commandHelp, generalHelp, usageLine } from './help.ts';
import type { Io } from './io.ts';
import { isProgressChoice, PROGRESS_CHOICES, type Printer, printerFor } from './printers.ts';
import { styleFor, wantsColour } from './style.ts';

const INTERRUPTED_EXIT = 130;

/** One Ctrl-C may come twice: from the terminal, and from the parent process that passes it on. */
const SETTLE_MS = 300;

/** Runs one command line; answers its exit code. Everything that it uses of the process comes in as `io`. */
export const main = async (argv: readonly string[], io: Io, makeEngine: MakeEngine): Promise<number> => {
  const json = argv.includes('--json');
  const secrets = new Set(argv.flatMap(secretsInUrl));
  const redact = (message: string): string => redactAll(message, secrets);
  try {
    const parsed = parseArguments(argv, commands);
    if (parsed.flags['help'] === true) return printHelp(parsed.command, io);
    if (parsed.command === undefined) throw new UsageError('no command', 'See `lifeboat --help`.', undefined);
    return await runCommand(parsed.command, parsed, io, makeEngine, secrets);
  } catch (error) {
    return printFailure(error, { json, io, redact });
  }
};

const printHelp = (command: Command | undefined, io: Io): number => {
  io.stdout.write(command === undefined ? generalHelp(commands) : commandHelp(command));
  return 0;
};

const runCommand = async (command: Command, parsed: Parsed, io: Io, makeEngine: MakeEngine, known: Set<string>): Promise<number> => {
  const { flags, positionals } = parsed;
  const secrets = openSecrets({ env: io.env });
  const redact = (message: string): string => redactAll(message, [...known, ...secrets.known()]);
  const json = isSet(flags, 'json');
  const printer = openPrinter(text(flags, 'progress') ?? 'auto', io, redact);
  const interrupts = watchInterrupts(io, printer);
  const style = styleFor(!json && wantsColour(io.terminal.stdout, io.env));
  const { call, close } = openCall({
    flags,
    positionals,
    io,
    run: { report: printer.report, signal: interrupts.signal },
    style,
    secrets,
    makeEngine,
    onEnvironment: (environment) => {
      for (const secret of literalSecrets(environmentFile(environment))) known.add(secret);
    },
  });
  try {
    const outcome = await command.run(call).finally(close);
    printer.stop();
    print(outcome, json, io);
    return outcome.exit ?? 0;
  } catch (error) {
    printer.stop();
    return printFailure(interrupts.signal.aborted ? interrupted(error) : error, { json, io, redact });
  } finally {
    interrupts.stop();
  }
};

const openPrinter = (choice: string, io: Io, redact: (message: string) => string): Printer => {
  if (!isProgressChoice(choice))
    throw new UsageError(`unknown kind of progress: ${choice}`, `It is one of ${PROGRESS_CHOICES.join(', ')}.`, undefined);
  const style = styleFor(wantsColour(io.terminal.stderr, io.env));
  return printerFor(choice, io.terminal.stderr, { out: io.stderr, now: io.now, columns: io.terminal.columns, style, redact });
};

/** The first interrupt asks the work to end, the second does not ask. */
const watchInterrupts = (io: Io, printer: Printer): { readonly signal: AbortSignal; stop(): void } => {
  const controller = new AbortController();
  let first = Number.NEGATIVE_INFINITY;
  const stop = io.onInterrupt(() => {
    const now = io.now().getTime();
    if (controller.signal.aborted && now - first < SETTLE_MS) return;
    if (controller.signal.aborted) return io.exit(INTERRUPTED_EXIT);
    first = now;
    printer.stop();
    io.stderr.write('interrupted: ending; once more ends at once\n');
    controller.abort(interrupted(undefined));
  });
  return { signal: controller.signal, stop };
};

const interrupted = (cause: unknown): LifeboatError =>
  isLifeboatError(cause, 'Interrupted')
    ? cause
    : new LifeboatError('Interrupted', 'interrupted', { hint: 'Nothing that was good is lost; run the command again.', cause });

const print = (outcome: Outcome, json: boolean, io: Io): void => {
  if (json) io.stdout.write(`${redactUrls(JSON.stringify(outcome.json, null, 2))}\n`);
  else if (outcome.text !== '') (outcome.stdoutTaken === true ? io.stderr : io.stdout).write(`${redactUrls(outcome.text)}\n`);
};

interface FailureOutput {
  readonly json: boolean;
  readonly io: Io;
  readonly redact: (message: string) => string;
}

const printFailure = (error: unknown, { json, io, redact }: FailureOutput): number => {
  const failure = describe(error);
  const [message, hint] = [redact(failure.message), redact(failure.hint)];
  if (json) io.stdout.write(`${JSON.stringify({ error: { code: failure.code, message, hint } }, null, 2)}\n`);
  else io.stderr.write(`error: ${message}\n${hint === '' ? '' : `hint: ${hint}\n`}`);
  if (failure.code === 'Usage') io.stderr.write(`${usageLine(error instanceof UsageError ? error.command : undefined)}\n`);
  if (failure.code === UNEXPECTED && (io.env['LIFEBOAT_DEBUG'] ?? '') !== '' && error instanceof Error)
    io.stderr.write(`${redact(error.stack ?? '')}\n`);
  return exitCodeOf(failure.code);
};

/** The code of an error that has none: a mistake of Lifeboat, or of the machine. */
const UNEXPECTED = 'Unexpected';

const describe = (error: unknown): { readonly code: string; readonly message: string; readonly hint: string } => {
  if (isLifeboatError(error)) return error;
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return { code: UNEXPECTED, message, hint: 'LIFEBOAT_DEBUG=1 shows where it came from.' };
};
