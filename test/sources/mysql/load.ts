import { spawn } from 'node:child_process';

/** Pipes a script into a client. Fails with the client's own words when it does not end with 0. */
export const loadArtifactFrom = (script: Buffer, program: string, options: readonly string[]): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, ['--no-defaults', ...options], { stdio: ['pipe', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    // The client goes away at the first error; what it did not read is of no interest.
    child.stdin.on('error', () => {});
    child.once('error', reject);
    child.once('close', (code) => (code === 0 ? resolve() : reject(new Error(said))));
    child.stdin.end(script);
  });
