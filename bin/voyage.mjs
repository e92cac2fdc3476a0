// `npm start`.
import './compile-cache.mjs';

const { main } = await import('../src/local/voyage.ts');
process.exitCode = await main();
