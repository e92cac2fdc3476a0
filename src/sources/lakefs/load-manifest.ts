import { LifeboatError } from '../../errors.ts';
import type { Loaded, LoadOptions, Services } from '../contract.ts';
import type { LakefsAddress } from './address.ts';
import { openMetadata, openNamespace } from './namespace.ts';
import { isBare, refuseNamespace } from './prepare.ts';
import { parseManifest, proveClosed } from './refs.ts';
import { findRepository } from './rest/api.ts';
import { restoreManifest } from './restore-refs.ts';
import { connect } from './session.ts';

/** Three ids and a few names. */
const MANIFEST_MAX_BYTES = 64 * 1024;

/**
 * Restores a manifest of `lakectl refs-dump` or `lakefs-refs.py dump` into a repository whose namespace was copied already. What a
 * manifest of lakectl does not say comes from the address.
 */
export const loadManifest = async (
  address: LakefsAddress,
  services: Services,
  artifact: AsyncIterable<Uint8Array>,
  options: LoadOptions,
): Promise<Loaded> => {
  const { ids, repository } = parseManifest(await readText(artifact));
  const client = await connect(address, services, options.signal);
  const namespace = address.namespace ?? repository?.namespace;
  if (namespace === undefined)
    throw new LifeboatError('TargetMissing', 'the manifest does not say in which namespace its repository lies', {
      hint: 'Add ?namespace=s3://bucket/prefix to the URL.',
    });
  const found = await findRepository(client, address.repository);
  if (found !== undefined && !options.overwrite && !(await isBare(client, address.repository)))
    throw new LifeboatError('TargetNotEmpty', `repository ${address.repository} at ${client.login.api} is not bare`, {
      hint: 'Restore under another name, or delete the repository.',
    });
  await refuseNamespace(client, address.repository, namespace);
  const metadata = openMetadata(await openNamespace(address, services, namespace), address.metadataPrefix);
  const wanted = {
    name: address.repository,
    namespace,
    defaultBranch: address.defaultBranch ?? repository?.defaultBranch ?? found?.default_branch ?? 'main',
    storageId: address.storageId ?? repository?.storageId ?? '',
    readOnly: false,
    overwrite: options.overwrite,
    ids,
  };
  await restoreManifest(client, metadata, wanted, services, options.signal);
  const { branches, tags, commits } = await proveClosed(metadata, ids, wanted.defaultBranch);
  const rows = branches + tags + commits;
  options.progress({ rows, bytes: 0 });
  return { rows: String(rows), checks: [{ name: 'branches, tags and commits', expected: 'closed', actual: 'closed', ok: true }] };
};

const readText = async (artifact: AsyncIterable<Uint8Array>): Promise<string> => {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of artifact) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MANIFEST_MAX_BYTES) throw new LifeboatError('ArtifactInvalid', `a refs manifest of more than ${MANIFEST_MAX_BYTES} bytes`);
  }
  return Buffer.concat(chunks).toString('utf8');
};
