import type { ClassDigest } from '../../../backup/types.ts';
import { checkDocuments } from './check-documents.ts';
import { DOCUMENTS, type DumpContents, parse, readContents } from './contents.ts';
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

/** Opens the file anew: its entries have no order, so it is read twice. */
export type OpenFile = () => AsyncIterable<Uint8Array>;

/**
 * Reads a v6 dump from end to end: gzip checksum and length, the archive, every line, primary keys, and what Meilisearch needs and does
 * not name when it is missing. Fails with ArtifactInvalid, which names the file and the line.
 */
export const checkDump = (open: OpenFile): Promise<CheckedDump> => checkArchive(() => readGzip(open()));

/** The same of the archive within, decoded. */
export const checkArchive = async (open: () => AsyncIterable<Buffer>): Promise<CheckedDump> => {
  const contents = await readContents(readTar(open()));
  const folders = new Map(contents.indexes.map((index) => [index.folder, index]));
  const state = {
    digests: [] as ClassDigest[],
    documents: new Map<string, number>(),
    warnings: [...caseWarnings(contents)],
    tasks: 0,
    enqueued: [] as number[],
    needed: new Set<number>(),
    seen: new Set<string>(),
    rawBytes: 0,
  };
  for await (const file of readTar(counted(open(), (bytes) => (state.rawBytes += bytes)))) {
    if (state.seen.has(file.path)) throw invalid(`${file.path} is in the dump twice`);
    state.seen.add(file.path);
    const folder = DOCUMENTS.exec(file.path)?.[1];
    const index = folder === undefined ? undefined : folders.get(folder);
    if (index !== undefined) {
      const checked = await checkDocuments(file.body, index);
      state.digests.push(checked.digest);
      state.documents.set(index.uid, checked.documents);
      if (checked.duplicates === undefined) state.warnings.push(`${index.uid}: too many documents to look for ids that come twice`);
      else if (checked.duplicates > 0) throw invalid(`${checked.duplicates} ids of ${index.uid} come twice`, 'Meilisearch keeps the last one of each.');
      if (index.primaryKey === null && checked.documents > 0) state.warnings.push(`${index.uid} has documents and no primary key: Meilisearch will guess it`);
    } else if (file.path === 'tasks/queue.jsonl') await checkTasks(file, state);
    else if (file.path === 'batches/queue.jsonl' || /^tasks\/update_files\/\d+\.jsonl$/.test(file.path)) await checkLines(file);
  }
  for (const path of ['keys.jsonl', 'tasks/queue.jsonl', ...contents.indexes.map(({ folder }) => `indexes/${folder}/documents.jsonl`)])
    if (!state.seen.has(path)) throw invalid(`${path} is missing`, 'Meilisearch would say "No such file or directory".');
  for (const uid of state.needed)
    if (!state.seen.has(`tasks/update_files/${uid}.jsonl`)) throw invalid(`the documents of enqueued task ${uid} are missing (tasks/update_files/${uid}.jsonl)`);
  if (contents.keys.length === 0) state.warnings.push('there are no API keys: only the master key will work after the import');
  const { digests, documents, rawBytes, tasks, warnings } = state;
  return { contents, digests, documents, rawBytes, tasks, enqueued: state.enqueued.length, warnings };
};

const checkTasks = async (file: TarFile, state: { tasks: number; enqueued: number[]; needed: Set<number> }): Promise<void> => {
  for await (const line of readLines(file.body, file.path)) {
    state.tasks++;
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
