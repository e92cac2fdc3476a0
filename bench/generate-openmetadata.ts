/** `node bench/generate-openmetadata.ts --url postgres://… --tables 90000`: the demo catalogue at any size. */
import { parseArgs } from 'node:util';
import { createCatalogue } from '../src/local/demo/catalogue.ts';
import { createDatabase } from '../src/local/postgres-server.ts';

const USAGE = 'usage: node bench/generate-openmetadata.ts --url postgres://user@host/database [--tables 90000] [--seed 7] [--only table,…]';

const { url, tables, seed, only } = parseArgs({
  options: {
    url: { type: 'string' },
    tables: { type: 'string', default: '90000' },
    seed: { type: 'string', default: '7' },
    only: { type: 'string' },
  },
}).values;

if (url === undefined || !/^\d+$/.test(tables) || !/^\d+$/.test(seed)) {
  console.error(USAGE);
  process.exit(2);
}

const started = performance.now();
const maintenance = new URL(url);
maintenance.pathname = '/postgres';
await createDatabase(maintenance.href, decodeURIComponent(new URL(url).pathname.slice(1)));
const { rows, bytes } = await createCatalogue(url, {
  tables: Number(tables),
  seed: Number(seed),
  ...(only === undefined ? {} : { only: only.split(',') }),
  onProgress: (done) => process.stderr.write(`\r\x1b[K${done.table}: ${done.rows} rows, ${(done.bytes / 1e6).toFixed(0)} MB`),
});
process.stderr.write('\r\x1b[K');
console.log(JSON.stringify({ tables: Number(tables), rows, textBytes: bytes, seconds: (performance.now() - started) / 1000 }));
