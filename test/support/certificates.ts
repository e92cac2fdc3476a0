/** An authority of the tests' own and a server certificate of it, made by openssl. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unprivilegedUser } from '../../src/local/system-user.ts';

export interface Certificates {
  /** Paths of PEM files. */
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
  remove(): void;
}

/** Why there can be no certificates here; undefined when there can. */
export const opensslMissing = (): string | undefined => (spawnSync('openssl', ['version']).status === 0 ? undefined : 'no openssl in PATH');

/** For `localhost` alone; the key is readable to whom servers of tests run as. */
export const makeCertificates = (): Certificates => {
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-tls-'));
  chmodSync(folder, 0o755);
  const [authority, authorityKey, certificate, key, request, extensions] = [
    'ca.crt',
    'ca.key',
    'server.crt',
    'server.key',
    'csr',
    'ext',
  ].map((name) => join(folder, name)) as [string, string, string, string, string, string];
  const openssl = (...given: string[]): void => void execFileSync('openssl', given, { stdio: 'ignore' });
  openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-keyout',
    authorityKey,
    '-out',
    authority,
    '-subj',
    '/CN=test authority',
  );
  openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', request, '-subj', '/CN=localhost');
  writeFileSync(extensions, 'subjectAltName=DNS:localhost\n');
  openssl(
    ...['x509', '-req', '-in', request, '-CA', authority, '-CAkey', authorityKey, '-CAcreateserial', '-days', '2'],
    ...['-extfile', extensions, '-out', certificate],
  );
  chmodSync(key, 0o600);
  const user = unprivilegedUser();
  if (user !== undefined) chownSync(key, user.uid, user.gid);
  return { authority, certificate, key, remove: () => rmSync(folder, { recursive: true, force: true }) };
};
