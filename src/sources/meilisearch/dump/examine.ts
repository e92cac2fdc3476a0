import type { Examined, OpenStored } from '../../artifact-format.ts';
import { digestContents } from '../digest-contents.ts';
import { type CheckedDump, checkDump } from './check.ts';
import { parse } from './contents.ts';
import { readGzip } from './gzip-read.ts';
import { invalid } from './invalid.ts';
import { readWhole } from './lines.ts';
import { secretsIn } from './secrets.ts';
import { readTar } from './tar-read.ts';
import { readOldDump, versionOf } from './upgrade/old-dump.ts';
import { planUpgrade } from './upgrade/plan.ts';
import { type Loose, LooseSchema } from './upgrade/task.ts';

const METADATA_MAX = 64 * 1024 * 1024;

/** Reads a dump of any version from end to end and says what is in it. Fails with ArtifactInvalid. */
export const examineDump = async (open: OpenStored): Promise<Examined> => {
  const metadata = await readMetadata(open);
  const version = versionOf(metadata);
  return version === 6 ? shown(await checkDump(open)) : examineOld(open, version);
};

/** Wherever in the archive it is; the rest of a large one need not be read for it. */
const readMetadata = async (open: OpenStored): Promise<Loose> => {
  for await (const { path, body } of readTar(readGzip(open())))
    if (path === 'metadata.json') return LooseSchema.parse(parse(path, await readWhole(body, path, METADATA_MAX)));
  throw invalid('metadata.json is missing', 'This is no dump of Meilisearch.');
};

const shown = async ({ contents, documents, tasks, enqueued, rawBytes, warnings, digests }: CheckedDump): Promise<Examined> => ({
  digests: [...digests, ...(await digestContents(contents))],
  rawBytes,
  warnings: [...warnings, ...secretsOf(contents)],
  contents: {
    version: 6,
    product: contents.dbVersion,
    date: contents.dumpDate,
    indexes: contents.indexes.map(({ uid, primaryKey }) => ({ uid, documents: documents.get(uid) ?? 0, primaryKey })),
    documents: [...documents.values()].reduce((sum, many) => sum + many, 0),
    keys: contents.keys.length,
    rules: contents.rules.length,
    tasks,
    enqueued,
  },
});

/** Said, never shown. */
const secretsOf = (contents: CheckedDump['contents']): string[] => {
  const found = secretsIn(contents);
  return found.length === 0 ? [] : [`this file holds secrets in clear: ${found.join(', ')}`];
};

const examineOld = async (open: OpenStored, version: number): Promise<Examined> => {
  let rawBytes = 0;
  const counted = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of readGzip(open())) {
      rawBytes += chunk.length;
      yield chunk;
    }
  };
  const dump = await readOldDump(readTar(counted()));
  const notes = new Set<string>();
  const date = typeof dump.metadata['dumpDate'] === 'string' ? dump.metadata['dumpDate'] : '';
  const { indexes, tasks } = planUpgrade(dump, date, notes);
  return {
    rawBytes,
    warnings: ['"lifeboat upgrade" makes version 6 of it', ...notes],
    contents: {
      version,
      product: String(dump.metadata['dbVersion'] ?? ''),
      date: date === '' ? null : date,
      indexes: indexes.map(({ uid, folder, primaryKey }) => ({ uid, documents: dump.documents.get(folder) ?? 0, primaryKey })),
      documents: indexes.reduce((sum, { folder }) => sum + (dump.documents.get(folder) ?? 0), 0),
      keys: dump.keys.length,
      rules: 0,
      tasks: tasks.length,
      enqueued: tasks.filter(({ status }) => status === 'enqueued').length,
    },
  };
};
