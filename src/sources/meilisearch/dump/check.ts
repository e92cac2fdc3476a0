import type { ClassDigest } from '../../../backup/types.ts';
import { checkDocuments } from './check-documents.ts';
import { type ContentsReader, contentsReader, DOCUMENTS, type DumpContents, type DumpIndex, parse, QUEUE } from './contents.ts';
import { readGzip } from './gzip-read.ts';
import { invalid } from './invalid.ts';
import { readLines } from './lines.ts';
import { readTar, type TarFile } from './tar-read.ts';
import { checkTask } from './task-line.ts';

/** What a v6 dump holds, once every byte of it was read. */
export interface CheckedDump {
  readonly contents: DumpContents;
  readonly digests: readonly ClassDigest[];
  /** By index uid. */
  readonly documents: ReadonlyMap<string, number>;
  readonly rawBytes: number;
  readonly tasks: number;
  readonly enqueued: number;
  /** What Meilisearch takes, and what is worth knowing. */
  readonly warnings: readonly string[];
}

/** Opens the file anew: its entries have no order, so it may be read twice. */
export type OpenFile = () => AsyncIterable<Uint8Array>;

/**
 * Reads a v6 dump from end to end: gzip checksum and length, the archive, every line, primary keys, and what Meilisearch needs and does
 * not name when it is missing. Fails with ArtifactInvalid, which names the file and the line.
 */
export const checkDump = (open: OpenFile): Promise<CheckedDump> => checkArchive(() => readGzip(open()));

/** The same of the archive within, decoded. Documents that come before the metadata of their index wait for a second reading. */
export const checkArchive = async (open: () => AsyncIterable<Buffer>): Promise<CheckedDump> => {
  const reader = contentsReader();
  const state = openState();
  const early = new Set<string>();
  for await (const file of readTar(counted(open(), (bytes) => (state.rawBytes += bytes)))) {
    if (state.seen.has(file.path)) throw invalid(`${file.path} is in the dump twice`);
    state.seen.add(file.path);
    if (await reader.take(file)) continue;
    const folder = DOCUMENTS.exec(file.path)?.[1];
    if (folder !== undefined && !folder.startsWith('.')) {
      const index = reader.indexIn(folder);
      if (index === undefined) early.add(file.path);
      else await takeDocuments(state, file, index);
    } else if (file.path === QUEUE) await checkTasks(file, state, reader);
    else if (/^(batches\/queue|tasks\/update_files\/\d+|indexes\/\..*)\.jsonl$/.test(file.path)) await checkLines(file);
  }
  const contents = reader.end();
  const folders = new Map(contents.indexes.map((index) => [index.folder, index]));
  if (early.size > 0)
    for await (const file of readTar(open())) {
      const folder = DOCUMENTS.exec(file.path)?.[1] ?? '';
      if (!early.has(file.path)) continue;
      const index = folders.get(folder);
      if (index === undefined) throw invalid(`indexes/${folder}/metadata.json is missing`);
      await takeDocuments(state, file, index);
    }
  refuseMissing(contents, state);
  const { digests, documents, rawBytes, tasks, warnings } = state;
  const noKeys = contents.keys.length === 0 ? ['there are no API keys: only the master key will work after the import'] : [];
  return {
    contents,
    digests,
    documents,
    rawBytes,
    tasks,
    enqueued: state.enqueued.length,
    warnings: [...caseWarnings(contents), ...warnings, ...noKeys],
  };
};

interface State {
  readonly digests: ClassDigest[];
  readonly documents: Map<string, number>;
  readonly warnings: string[];
  tasks: number;
  readonly enqueued: number[];
  readonly needed: Set<number>;
  readonly seen: Set<string>;
  rawBytes: number;
}

const openState = (): State => ({
  digests: [],
  documents: new Map(),
  warnings: [],
  tasks: 0,
  enqueued: [],
  needed: new Set(),
  seen: new Set(),
  rawBytes: 0,
});

const takeDocuments = async (state: State, file: TarFile, index: Pick<DumpIndex, 'uid' | 'primaryKey'>): Promise<void> => {
  const { uid, primaryKey } = index;
  const checked = await checkDocuments(file.body, index);
  state.digests.push(checked.digest);
  state.documents.set(uid, checked.documents);
  if (checked.duplicates === undefined) state.warnings.push(`${uid}: too many documents to look for ids that come twice`);
  else if (checked.duplicates > 0)
    throw invalid(`${checked.duplicates} ids of ${uid} come twice`, 'Meilisearch keeps the last one of each.');
  if (primaryKey === null && checked.documents > 0)
    state.warnings.push(`${uid} has documents and no primary key: Meilisearch will guess it`);
};

const refuseMissing = ({ indexes }: DumpContents, { seen, needed }: State): void => {
  for (const path of ['keys.jsonl', QUEUE, ...indexes.map(({ folder }) => `indexes/${folder}/documents.jsonl`)])
    if (!seen.has(path)) throw invalid(`${path} is missing`, 'Meilisearch would say "No such file or directory".');
  for (const uid of needed)
    if (!seen.has(`tasks/update_files/${uid}.jsonl`))
      throw invalid(`the documents of enqueued task ${uid} are missing (tasks/update_files/${uid}.jsonl)`);
};

const checkTasks = async (file: TarFile, state: State, reader: ContentsReader): Promise<void> => {
  for await (const line of readLines(file.body, file.path)) {
    state.tasks++;
    reader.task(line);
    const { uid, enqueued, needsFile } = checkTask(parse(`line ${state.tasks} of ${file.path}`, line), state.tasks);
    if (enqueued) state.enqueued.push(uid);
    if (needsFile) state.needed.add(uid);
  }
};

const checkLines = async (file: TarFile): Promise<void> => {
  let number = 0;
  for await (const line of readLines(file.body, file.path)) parse(`line ${++number} of ${file.path}`, line);
};

/** Where the folders are unpacked on a file system that does not tell case apart, one would overwrite the other. */
function* caseWarnings({ indexes }: DumpContents): Generator<string> {
  const seen = new Map<string, string>();
  for (const { folder } of indexes) {
    const other = seen.get(folder.toLowerCase());
    if (other !== undefined) yield `indexes ${other} and ${folder} differ by case alone: macOS and Windows cannot import them`;
    seen.set(folder.toLowerCase(), folder);
  }
}

async function* counted(source: AsyncIterable<Buffer>, count: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    count(chunk.length);
    yield chunk;
  }
}
