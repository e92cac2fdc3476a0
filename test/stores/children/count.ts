/** Adds one to a counter in a folder store, so many times, by compare and swap; several of these run at once. */
import { fileStore } from '../../../src/stores/file.ts';

const [, , root = '', times = '0'] = process.argv;
const store = fileStore(root);

const read = async (): Promise<number> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.read('counter')) chunks.push(chunk);
  return Number(Buffer.concat(chunks).toString());
};

for (let done = 0; done < Number(times); ) {
  const etag = (await store.head('counter'))?.etag ?? '';
  const value = await read();
  if ((await store.replace('counter', Buffer.from(String(value + 1)), etag)) !== undefined) done += 1;
}
