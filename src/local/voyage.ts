import { join } from 'node:path';
import { duration, plural } from '../cli/format.ts';
import { printerFor } from '../cli/printers.ts';
import { styleFor, wantsColour } from '../cli/style.ts';
import { loadEnvironment } from '../environment/environment.ts';
import { redactUrls } from '../environment/redact.ts';
import { openSecrets } from '../environment/secrets.ts';
import { exitCodeOf, isLifeboatError, LifeboatError } from '../errors.ts';
import { ensureCatalogue } from './demo/ensure.ts';
import { EMBEDDED_PASSWORD, startEmbedded } from './embedded.ts';
import { makeEngine } from './engine.ts';

/** `npm start`: a real server with a catalogue like OpenMetadata's, one backup of it, and one drill of that backup. */

const SOURCE = 'catalog';
const ROOT = join(import.meta.dirname, '..', '..');

const style = styleFor(wantsColour(process.stdout.isTTY === true, process.env));
const say = (text: string): void => console.log(text);

const sail = async (signal: AbortSignal): Promise<number> => {
  const { embedded, ...environment } = await loadEnvironment('local', { root: ROOT });
  say(style.dim('starting PostgreSQL'));
  const stop = await startEmbedded({ ...environment, ...(embedded === undefined ? {} : { embedded }) });
  try {
    signal.throwIfAborted();
    await fill(`postgres://postgres:${process.env[EMBEDDED_PASSWORD]}@127.0.0.1:${embedded?.postgres.port}/postgres`);
    signal.throwIfAborted();
    const engine = await makeEngine({ environment, secrets: openSecrets({ env: process.env }) });
    const printer = printerFor('auto', process.stderr.isTTY === true, {
      out: process.stderr,
      now: () => new Date(),
      columns: process.stderr.columns ?? 80,
      style,
      redact: (text) => text,
    });
    const run = { report: printer.report, signal };
    try {
      const { backup } = await engine.backup({ source: SOURCE }, run);
      printer.stop();
      say(`backup ${style.bold(backup)} of ${SOURCE} is sealed in ${environment.store.url}`);
      const { proof, keys } = await engine.drill(
        { source: SOURCE, backup, selection: undefined, seed: undefined, scratch: undefined },
        run,
      );
      printer.stop();
      const verdict = { PASSED: style.good('PASSED'), FAILED: style.bad('FAILED'), NOT_MEASURED: style.warn('NOT MEASURED') }[
        proof.verdict
      ];
      say(
        `drill ${verdict}: restored in ${proof.rtoSeconds === null ? '?' : duration(proof.rtoSeconds)}, ${plural(proof.checks.length, 'check')}`,
      );
      if (proof.failure !== null) say(`${proof.failure.code}: ${proof.failure.message}`);
      say(`report: ${environment.store.url}/${keys.html}`);
      return proof.verdict === 'PASSED' ? 0 : exitCodeOf(proof.verdict === 'FAILED' ? 'DrillFailed' : 'NotMeasured');
    } finally {
      printer.stop();
      await engine.close();
    }
  } finally {
    await stop();
  }
};

/** Makes the catalogue on the first voyage; later ones back up the same. */
const fill = async (server: string): Promise<void> => {
  const { url, rows } = await ensureCatalogue(server, ({ table, rows: done }) => {
    if (process.stderr.isTTY === true) process.stderr.write(`\r\x1b[2K${style.dim(`filling ${table}: ${plural(done, 'row')}`)}`);
  });
  if (process.stderr.isTTY === true) process.stderr.write('\r\x1b[2K');
  const at = redactUrls(url);
  say(rows === null ? `the catalogue at ${at}` : `a catalogue of ${plural(rows, 'row')} was made at ${at}`);
};

export const main = async (): Promise<number> => {
  const controller = new AbortController();
  const interrupt = (): void => controller.abort(new LifeboatError('Interrupted', 'interrupted', { hint: 'Run npm start again.' }));
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  try {
    return await sail(controller.signal);
  } catch (error) {
    const known = isLifeboatError(error) ? error : undefined;
    console.error(`error: ${error instanceof Error ? error.message : String(error)}${known?.hint ? `\nhint: ${known.hint}` : ''}`);
    return exitCodeOf(controller.signal.aborted ? 'Interrupted' : (known?.code ?? 'Unexpected'));
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
};
