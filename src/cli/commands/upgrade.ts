import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { LifeboatError } from '../../errors.ts';
import { UsageError } from '../arguments.ts';
import { formatOfFile, readChunks } from '../artifact-file.ts';
import { type Command, text } from '../command.ts';
import { size } from '../format.ts';
import { openOutput } from '../output-file.ts';

/** Turns a file of an older version of its format into the current one. */
export const upgrade: Command = {
  name: 'upgrade',
  summary: 'turn a Meilisearch dump of an older version into the current one',
  usage: '<file> --out <file>',
  positionals: { min: 1, max: 1 },
  options: { out: { type: 'string', value: '<file>', help: 'where to; never overwritten' } },
  details: 'A file of a newer version is never turned into an older one.',
  run: async (call) => {
    const name = call.positionals[0] ?? '';
    const out = text(call.flags, 'out');
    if (out === undefined) throw new UsageError('--out is missing', 'Say where the new file goes: --out <file>.', upgrade);
    const format = await formatOfFile(name, call.io.cwd);
    if (format?.upgrade === undefined)
      throw new LifeboatError('Unsupported', `${name} is no file that can be upgraded`, { hint: 'Dumps of Meilisearch (V1 to V5) can.' });
    const upgraded = await format.upgrade(() => readChunks(resolve(call.io.cwd, name)));
    const output = await openOutput(out, call.io.cwd);
    try {
      await pipeline(Readable.from(upgraded.bytes, { objectMode: false }), output.stream, { signal: call.run.signal });
      const bytes = output.stream.bytesWritten;
      await output.publish();
      const { summary, notes } = upgraded;
      const lines = [
        `${name} upgraded to ${out}: ${size(bytes)}`,
        ...Object.entries(summary).map(([what, value]) => `    ${what}: ${String(value)}`),
        ...notes.map((note) => `    ${call.style.warn(note)}`),
      ];
      return { json: { file: name, out, bytes, summary, notes }, text: lines.join('\n') };
    } finally {
      await output.discard();
    }
  },
};
