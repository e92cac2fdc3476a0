import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addressFromUrl, redact } from '../../sources/juicefs/address.ts';
import { migrate as migrateVolume } from '../../sources/juicefs/migrate.ts';
import { UsageError } from '../arguments.ts';
import { failedChecks } from '../checks.ts';
import { type Command, isSet } from '../command.ts';
import { plural } from '../format.ts';

/** Copies the metadata of a JuiceFS volume into another engine, and proves that it is the same there. */
export const migrate: Command = {
  name: 'migrate',
  summary: 'copy the metadata of a JuiceFS volume into another engine, and prove that it is equal there',
  usage: '<url> <url>',
  positionals: { min: 2, max: 2 },
  options: {
    'keep-secret-key': { type: 'boolean', help: 'carry SecretKey and SessionToken of the volume, too' },
    overwrite: { type: 'boolean', help: 'replace the volume that is in the second engine' },
  },
  details: 'Take every client of the first engine offline before one of the second goes online: `juicefs status <url>` lists them.',
  run: async (call) => {
    const [from, to] = call.positionals.map(volumeOf);
    if (from === undefined || to === undefined) throw new UsageError('two engines are needed', 'From the first to the second.', migrate);
    const source = { ...from, keepSecretKey: from.keepSecretKey || isSet(call.flags, 'keep-secret-key') };
    const services = { secret: call.secrets.resolve, now: () => new Date(), temporary: join(tmpdir(), 'lifeboat') };
    const done = await migrateVolume(source, to, services, {
      overwrite: isSet(call.flags, 'overwrite'),
      signal: call.run.signal,
      progress: (progress) => call.run.report({ type: 'done', stage: 'migrate', ...progress }),
    });
    const failed = failedChecks(done.checks, call.style);
    const outcome = failed.exit === 0 ? `every class is equal on both (${done.consistency})` : failed.text;
    return {
      json: { from: redact(source), to: redact(to), ok: failed.exit === 0, ...done },
      text: [`${redact(source)} copied into ${redact(to)}: ${plural(done.rows, 'row')}; ${outcome}`, ...done.notes].join('\n'),
      exit: failed.exit,
    };
  },
};

const volumeOf = (text: string) => {
  if (/^juicefs\+[a-z0-9]+:\/\//.test(text) && URL.canParse(text)) return addressFromUrl(new URL(text));
  throw new UsageError(
    'not the URL of a metadata engine of JuiceFS',
    'Such as juicefs+redis://host:6379/1 juicefs+postgres://user@host/db.',
    migrate,
  );
};
