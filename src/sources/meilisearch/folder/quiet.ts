import { parse, QUEUE } from '../dump/contents.ts';
import { readLines } from '../dump/lines.ts';
import { ruleOfTask } from '../dump/rule.ts';
import { readTar, type TarFile } from '../dump/tar-read.ts';
import { fileHeader, folderHeader, padding, TAR_END, wholeFile } from '../dump/tar-write.ts';
import { checkTask } from '../dump/task-line.ts';

/** What would act on the world, and documents of tasks that wait. */
const LOUD = /^(webhooks\.json|network\.json|tasks\/update_files\/.*)$/;

const NEWLINE = Buffer.from('\n');

/**
 * The archive of a dump for a drill: without webhooks and remotes, which Meilisearch would call, and without tasks that wait, which it
 * would run and so change what is to be compared. All else goes over byte by byte.
 */
export async function* quietArchive(tar: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield folderHeader('indexes', 0);
  for await (const file of readTar(tar)) {
    if (LOUD.test(file.path)) continue;
    if (file.path === QUEUE) yield wholeFile(QUEUE, await endedTasks(file), 0);
    else {
      yield fileHeader(file.path, file.size, 0);
      yield* file.body;
      yield padding(file.size);
    }
  }
  yield TAR_END;
}

const endedTasks = async ({ path, body }: TarFile): Promise<Buffer> => {
  const kept: Buffer[] = [];
  let number = 0;
  for await (const line of readLines(body, path)) {
    const task = parse(path, line);
    // Rules are content, which only comes in the form of tasks.
    if (!checkTask(task, ++number).enqueued || ruleOfTask(task) !== undefined) kept.push(Buffer.from(line), NEWLINE);
  }
  return Buffer.concat(kept);
};
