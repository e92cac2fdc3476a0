/** Creates one object in a folder store and never comes to link(): says when the temporary file is complete, and waits to be killed. */
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const [, , root = ''] = process.argv;
fs.link = async () => {
  process.stdout.write('written\n');
  setInterval(() => {}, 1000);
  return new Promise(() => {});
};
syncBuiltinESMExports();
const { fileStore } = await import('../../../src/stores/file.ts');
await fileStore(root).create('catalog/segment', Buffer.alloc(100_000, 1));
