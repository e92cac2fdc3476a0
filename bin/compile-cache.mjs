// Compiling is most of what a process does when it starts. Below node_modules, where nobody else writes: what lies there is run.
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../node_modules/.cache/lifeboat', import.meta.url));
enableCompileCache(folder);
// Threads and processes that this one starts take it from here.
process.env.NODE_COMPILE_CACHE = folder;
