#!/usr/bin/env node
// Runs the command line with Node 24 or newer: this one, or the one that the lockfile brought.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const NODE_MAJOR_MIN = 24;

if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_MIN) {
  await import('./compile-cache.mjs');
  const { start } = await import('../src/cli/start.ts');
  await start();
} else {
  reexecute(fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url)));
}

function reexecute(node) {
  if (!existsSync(node)) {
    console.error(`error: Node ${process.versions.node} is too old\nhint: Lifeboat needs Node ${NODE_MAJOR_MIN}; \`npm ci\` brings one.`);
    process.exit(2);
  }
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
  // The child decides when to end. A terminal sends SIGINT to both; the child takes two at once for one.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(`error: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
