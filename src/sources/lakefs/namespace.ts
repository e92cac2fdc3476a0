import { pathToFileURL } from 'node:url';
import { isLifeboatError, LifeboatError } from '../../errors.ts';
import type { Objects, Services } from '../contract.ts';
import type { LakefsAddress } from './address.ts';

/** A range of lakeFS is 20 MiB unless a server says otherwise; it is read whole. */
const METADATA_MAX_BYTES = 256 * 1024 * 1024;

const SHA = /^[0-9a-f]{64}$/;

/** Opens the storage namespace of a repository. Fails with Unsupported for storage that Lifeboat cannot reach by itself. */
export const openNamespace = async (address: LakefsAddress, services: Services, namespace: string): Promise<Objects> => {
  if (services.openObjects === undefined) throw new LifeboatError('Unsupported', 'objects cannot be reached from here');
  const url = namespace.replace(/\/+$/, '');
  if (url.startsWith('s3://')) return services.openObjects(url, address.storage ?? {});
  if (url.startsWith('local://')) {
    if (address.localPath === undefined)
      throw new LifeboatError('ConfigInvalid', `where ${url} lies on this machine is not known`, {
        hint: 'Set localPath to the blockstore.local.path of the server.',
      });
    const inside = url.slice('local://'.length);
    if (inside.split('/').includes('..')) throw new LifeboatError('ConfigInvalid', `${url} leaves its folder`);
    return services.openObjects(pathToFileURL(`${address.localPath.replace(/\/+$/, '')}/${inside}`).href, {});
  }
  throw new LifeboatError('Unsupported', `storage ${url.split('://', 1)[0]}:// of lakeFS is not supported`, {
    hint: 'Amazon S3, S3-compatible servers and local storage are; Azure Blob Storage and Google Cloud Storage are not.',
  });
};

/** Where a repository's namespace is the same as another's, or inside of it. */
export const overlaps = (a: string, b: string): boolean => {
  const [left, right] = [`${a.replace(/\/+$/, '')}/`, `${b.replace(/\/+$/, '')}/`];
  return left.startsWith(right) || right.startsWith(left);
};

/** Small files are kept, up to this many bytes of them: a plan reads those of the refs three times. */
const KEPT_BYTES = 8 * 1024 * 1024;

/** Reads metadata files by id, which is their content. Fails with ObjectMissing: what a dump names is never deleted, but by garbage collection. */
export interface Metadata {
  read(id: string): Promise<Buffer>;
  keyOf(id: string): string;
}

export const openMetadata = (objects: Objects, prefix: string): Metadata => {
  const keyOf = (id: string): string => {
    if (!SHA.test(id)) throw new LifeboatError('ArtifactInvalid', `${JSON.stringify(id.slice(0, 80))} is not the id of a metadata file`);
    return `${prefix}/${id}`;
  };
  const kept = new Map<string, Buffer>();
  let keptBytes = 0;
  return {
    keyOf,
    async read(id) {
      const known = kept.get(id);
      if (known !== undefined) return known;
      const chunks: Uint8Array[] = [];
      let bytes = 0;
      try {
        for await (const chunk of objects.read(keyOf(id))) {
          chunks.push(chunk);
          bytes += chunk.length;
          if (bytes > METADATA_MAX_BYTES)
            throw new LifeboatError('ArtifactInvalid', `metadata file ${id} has more than ${METADATA_MAX_BYTES} bytes`);
        }
      } catch (error) {
        if (isLifeboatError(error, 'NoSuchObject') || isLifeboatError(error, 'NoSuchStore')) throw missing(objects, keyOf(id), error);
        throw error;
      }
      const content = Buffer.concat(chunks);
      if (keptBytes + bytes <= KEPT_BYTES) {
        kept.set(id, content);
        keptBytes += bytes;
      }
      return content;
    },
  };
};

export const missing = (objects: Objects, key: string, cause: unknown): LifeboatError =>
  new LifeboatError('ObjectMissing', `${objects.url}/${key} is named by the repository and is not there`, {
    hint: 'Garbage collection deleted it, or somebody, or this is another namespace. Do not let garbage collection run during a backup.',
    cause,
  });

const PLAIN = /^[\x20-\x24\x26-\x7e]*$/;

/** The key of an address in the pool, and in any namespace: what no key may hold is percent-encoded. */
export const poolKey = (address: string): string => {
  if (PLAIN.test(address)) return address;
  const escaped = (byte: number): boolean => byte < 0x20 || byte > 0x7e || byte === 0x25;
  return [...Buffer.from(address, 'utf8')]
    .map((byte) => (escaped(byte) ? `%${byte.toString(16).padStart(2, '0').toUpperCase()}` : String.fromCharCode(byte)))
    .join('');
};
