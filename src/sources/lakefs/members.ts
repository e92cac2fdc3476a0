import { LifeboatError } from '../../errors.ts';
import type { Services } from '../contract.ts';
import { addressFromUrl, isScratch, type LakefsAddress, LakefsAddressSchema } from './address.ts';
import { parseManifest } from './refs.ts';
import { repositories } from './rest/api.ts';
import { connect } from './session.ts';

/** Every repository that the keys may list, but those of drills. Fails with Usage on a URL that names one. */
export async function* listRepositories(server: URL, services: Services): AsyncGenerator<LakefsAddress> {
  if (namesRepository(server))
    throw new LifeboatError('Usage', `${shown(server)} names a repository, --all takes a server`, {
      hint: 'It looks like lakefs+https://host.',
    });
  // The login needs no repository, an address does.
  const client = await connect(addressOn(server, 'any'), services);
  for await (const { id } of repositories(client)) if (!isScratch(id)) yield addressOn(server, id);
}

/** Where a manifest is restored to: `to`, the manifest, then LAKECTL_* and ~/.lakectl.yaml for the server. */
export const homeOf = (manifest: string, to: URL | undefined, options: { readonly ignoreStorageId: boolean }): LakefsAddress => {
  const address = to !== undefined && namesRepository(to) ? addressFromUrl(to) : ownHome(manifest, to);
  return options.ignoreStorageId ? { ...address, storageId: '' } : address;
};

const ownHome = (manifest: string, to: URL | undefined): LakefsAddress => {
  const { repository } = parseManifest(manifest);
  if (repository === undefined)
    throw new LifeboatError('Usage', 'this manifest does not name its repository', {
      hint: 'lakectl writes no name: add --to lakefs+https://host/repository?namespace=s3://bucket/prefix.',
    });
  const checked = LakefsAddressSchema.safeParse({ repository: repository.name });
  if (!checked.success) throw new LifeboatError('ArtifactInvalid', 'the manifest names a repository that lakeFS would not take');
  return to === undefined ? checked.data : addressOn(to, repository.name);
};

const addressOn = (server: URL, repository: string): LakefsAddress => {
  const url = new URL(server);
  url.pathname = `/${repository}`;
  return addressFromUrl(url);
};

const namesRepository = ({ pathname }: URL): boolean => pathname.replaceAll('/', '') !== '';
const shown = ({ protocol, host, pathname }: URL): string => `${protocol}//${host}${pathname}`;
