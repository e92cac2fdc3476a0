import type { RdsAddress } from './address.ts';
import type { Api, At } from './api.ts';
import type { OpenApi } from './snapshot.ts';

/** One client a region, opened when it is first asked for; the SDK is loaded then. */
export const clientsOf = ({
  endpoint,
  region: home,
  cluster,
}: RdsAddress): { readonly open: OpenApi; readonly home: () => Promise<Api> } => {
  const opened = new Map<string | undefined, Promise<Api>>();
  const open: OpenApi = (region) => {
    const at = region ?? home;
    const known = opened.get(at);
    if (known !== undefined) return known;
    const api = load(cluster, { region: at, endpoint });
    opened.set(at, api);
    return api;
  };
  return { open, home: () => open(home) };
};

const load = async (cluster: boolean, at: At): Promise<Api> => {
  const { clientAt, openApi } = await import('./api.ts');
  const api = await openApi(clientAt(at));
  return cluster ? (await import('./cluster-api.ts')).openClusterApi(clientAt(at), api) : api;
};
