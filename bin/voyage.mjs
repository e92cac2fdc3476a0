// `npm start`.
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/lifeboat', import.meta.url)));
const { main } = await import('../src/local/voyage.ts');
process.exitCode = await main();
