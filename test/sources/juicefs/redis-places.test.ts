/** A volume behind TLS, and volumes that share a cluster. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadDigest } from '../../../src/backup/digest.ts';
import { openRedisAt } from '../../../src/sources/juicefs/engines/open.ts';
import type { RedisSession } from '../../../src/sources/juicefs/engines/redis.ts';
import { openRedisInstant } from '../../../src/sources/juicefs/engines/redis-instant.ts';
import { streamDump } from '../../../src/sources/juicefs/read/stream.ts';
import { type Certificates, makeCertificates, opensslMissing } from '../../support/certificates.ts';
import { freePort } from '../../support/programs.ts';
import { type RedisServer, redisMissing, startRedis } from '../../support/redis.ts';
import { derivedInRedis, flawsOf } from './derived.ts';
import { addressOf, asJuicefsWrites, dumpOf, fixture, loadInto, services, temporary, treesOf } from './harness.ts';

const LIFEBOAT = resolve(import.meta.dirname, '../../../bin/lifeboat.mjs');
const noTls = redisMissing() ?? opensslMissing();

const run = (
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ readonly code: number | null; readonly said: string }> =>
  new Promise((done) => {
    const child = spawn(process.execPath, [LIFEBOAT, ...args], {
      env: { PATH: process.env['PATH'] ?? '', ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    child.on('close', (code) => done({ code, said }));
  });

describe.skipIf(noTls !== undefined)(`a volume behind TLS${noTls === undefined ? '' : ` (skipped: ${noTls})`}`, () => {
  let certificates: Certificates;
  let server: RedisServer;
  let port: number;

  beforeAll(async () => {
    certificates = makeCertificates();
    port = await freePort();
    const { authority, certificate, key } = certificates;
    server = await startRedis([
      ...['--tls-port', String(port), '--tls-cert-file', certificate, '--tls-key-file', key, '--tls-ca-cert-file', authority],
      ...['--tls-auth-clients', 'no'],
    ]);
    await server.load(1, fixture('state/redis.resp'));
  });
  afterAll(async () => {
    await server?.stop();
    certificates?.remove();
  });

  it.each(['replication', 'scan'])(
    'is read by %s, from a server that is who it says',
    async (read) => {
      const out = join(temporary, `tls-${read}.json`);
      const url = `juicefs+rediss://localhost:${port}/1?read=${read}`;
      const { code, said } = await run(['dump', url, '--out', out], { NODE_EXTRA_CA_CERTS: certificates.authority });
      expect(said).not.toMatch(/error/i);
      expect(code).toBe(0);
      expect(asJuicefsWrites(readFileSync(out, 'utf8'))).toBe(fixture('redis.json').toString());
    },
    30_000,
  );

  it('is not read from one that nobody vouches for', async () => {
    const { code, said } = await run(['dump', `juicefs+rediss://localhost:${port}/1`, '--out', join(temporary, 'tls-not.json')], {});
    expect(code).toBe(1);
    expect(said).toMatch(/error: .*certificate/);
    expect(said).toMatch(/NODE_EXTRA_CA_CERTS/);
  }, 30_000);
});

const noRedis = redisMissing();

describe.skipIf(noRedis !== undefined)(`volumes that share a cluster${noRedis === undefined ? '' : ` (skipped: ${noRedis})`}`, () => {
  let server: RedisServer;
  const at = (number: number, read = 'auto') =>
    addressOf(`juicefs+redis://127.0.0.1:${server.port}/${number}?key_prefix=%7B${number}%7D&read=${read}`);

  beforeAll(async () => {
    server = await startRedis(['--cluster-enabled', 'yes']);
    const session = await openRedisAt(at(3), services);
    await session.call('CLUSTER', 'ADDSLOTSRANGE', 0, 16383);
    while (!/cluster_state:ok/.test(String(await session.call('CLUSTER', 'INFO')))) await sleep(50);
    await session.close();
  }, 30_000);
  afterAll(() => server?.stop());

  it('are loaded, read in each way, audited and replaced, each by itself', async () => {
    const dump = fixture('redis.json').toString();
    const other = fixture('redis-subdir-links.json').toString();
    await loadInto(at(3), dump);
    await loadInto(at(4), other);
    for (const read of ['replication', 'scan', 'walk']) {
      const instant = await openRedisInstant(at(3, read), services);
      try {
        const text = Buffer.concat(await Array.fromAsync(streamDump(at(3), instant.reader, await loadDigest()).bytes)).toString();
        expect(treesOf(text), read).toBe(treesOf(dump));
        expect((await instant.end()).way).toBe(read);
      } finally {
        await instant.reader.close();
      }
    }
    expect(await flawsOf(at(3))).toEqual([]);
    expect(await flawsOf(at(4))).toEqual([]);
    // Also while the clients of another volume write.
    const session = await openRedisAt(at(3), services);
    let writes = 0;
    const beside: RedisSession = {
      ...session,
      async call(...command) {
        await session.call('SET', `{9}busy${writes++}`, '');
        return session.call(...command);
      },
    };
    const { checks, notMeasured } = await derivedInRedis(beside);
    await session.close();
    expect(writes).toBeGreaterThan(10);
    expect(notMeasured).toEqual([]);
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    await expect(loadInto(at(3), dump)).rejects.toMatchObject({ name: 'TargetNotEmpty' });
    const before = await dumpOf(at(4));
    await loadInto(at(3), other, { overwrite: true });
    expect(treesOf(await dumpOf(at(3)))).toBe(treesOf(before));
    expect(await dumpOf(at(4))).toBe(before);
    expect(await flawsOf(at(3))).toEqual([]);
  }, 30_000);
});
