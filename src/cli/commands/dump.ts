import { once } from 'node:events';
import type { Duplex, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import zlib from 'node:zlib';
import { UsageError } from '../arguments.ts';
import { type Call, type Command, text } from '../command.ts';
import type { DumpResult } from '../engine.ts';
import { plural, size } from '../format.ts';
import { openOutput } from '../output-file.ts';
import { systemNamed } from '../system.ts';

const STDOUT = '-';
const CODEC_CHUNK_BYTES = 1024 * 1024;

/** Writes one native artifact to a file or a pipe. */
export const dump: Command = {
  name: 'dump',
  summary: "write one artifact in the product's own format, without a store",
  usage: '<url>',
  positionals: { min: 1, max: 1 },
  options: {
    out: { type: 'string', value: '<file>|-', help: 'where to (default -, stdout)' },
    subdir: { type: 'string', value: '<path>', help: 'of a JuiceFS volume: this folder alone' },
    'skip-trash': { type: 'boolean', help: 'of a JuiceFS volume: without its trash' },
    'keep-secret-key': { type: 'boolean', help: 'of a JuiceFS volume: with SecretKey and SessionToken' },
  },
  details: 'A name that ends in .zst or .gz says how it is compressed. A file appears once it is whole, and is never overwritten.',
  run: async (call) => {
    const out = text(call.flags, 'out') ?? STDOUT;
    if (out === STDOUT) refuseStdout(call);
    const { system, engine } = await systemNamed(call, withParts(call, call.positionals[0] ?? ''), 'sources');
    if (out === STDOUT) {
      const result = await engine.dump(system, call.io.stdout, call.run);
      return { json: {}, text: summary(result, 'stdout'), stdoutTaken: true };
    }
    const output = await openOutput(out, call.io.cwd);
    try {
      const { into, ended } = compressed(out, output.stream);
      // Awaited below, unless the dump fails first: that error is the one to tell.
      ended.catch(() => {});
      const result = await engine.dump(system, into, call.run);
      into.end();
      await ended;
      const bytes = output.stream.bytesWritten;
      await output.publish();
      return { json: { source: system.redacted, file: out, ...result, bytes }, text: summary({ ...result, bytes }, out) };
    } finally {
      await output.discard();
    }
  },
};

/** What is said of a volume becomes part of its URL, which knows the same words. */
const withParts = (call: Call, url: string): string => {
  const given = ['subdir', 'skip-trash', 'keep-secret-key'].filter((name) => call.flags[name] !== undefined);
  if (given.length === 0) return url;
  if (!url.startsWith('juicefs+'))
    throw new UsageError(`--${given[0]} belongs to the URL of a JuiceFS volume`, 'Such as juicefs+redis://host:6379/1.', dump);
  const parameters = given.map((name) => `${name}=${encodeURIComponent(String(call.flags[name]))}`).join('&');
  return `${url}${url.includes('?') ? '&' : '?'}${parameters}`;
};

/** One frame or member: not every reader takes a second one. */
const compressed = (name: string, file: Writable): { readonly into: Writable; readonly ended: Promise<unknown> } => {
  const codec = codecOf(name);
  if (codec === undefined) return { into: file, ended: once(file, 'close') };
  return { into: codec, ended: pipeline(codec, file) };
};

const codecOf = (name: string): Duplex | undefined => {
  if (/\.zstd?$/.test(name))
    return zlib.createZstdCompress({ chunkSize: CODEC_CHUNK_BYTES, params: { [zlib.constants.ZSTD_c_compressionLevel]: 1 } });
  if (name.endsWith('.gz')) return zlib.createGzip({ chunkSize: CODEC_CHUNK_BYTES });
  return undefined;
};

const refuseStdout = (call: Call): void => {
  if (call.flags['json'] === true)
    throw new UsageError('--json and an artifact cannot both go to stdout', 'Write the artifact to a file with --out.', dump);
  if (call.io.terminal.stdout)
    throw new UsageError('an artifact is not for a terminal', 'Write it to a file with --out, or into a pipe.', dump);
};

const summary = (result: DumpResult, where: string): string => {
  const left = Object.entries(result.notIncluded).filter(([, many]) => many !== '0');
  const warning = left.length === 0 ? '' : `\nnot included: ${left.map(([what, many]) => `${many} ${what}`).join(', ')}`;
  const kept = result.needs === null ? '' : `\nit is worth nothing without the ${result.needs}, which stays until somebody deletes it`;
  const { at, consistency } = result.pointInTime;
  const verdict = consistency === 'snapshot' ? '' : ` (${consistency})`;
  return `${result.format} as of ${at}${verdict} to ${where}: ${plural(result.rows, 'row')}, ${size(result.bytes)} (${size(result.rawBytes)} decoded)${warning}${kept}`;
};
