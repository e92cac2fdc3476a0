import type { RdsAddress } from './address.ts';
import type { Api } from './api.ts';
import type { Role } from './role.ts';

/** Where calls go, and as whom: Lifeboat itself in the region of the address when both are absent. */
export interface Place {
  readonly region?: string | undefined;
  readonly role?: Role | undefined;
}

export type OpenApi = (place: Place) => Promise<Api>;

type Address = Pick<RdsAddress, 'region' | 'endpoint' | 'cluster'>;

/** One client a place, opened when it is first asked for; the SDK is loaded then. */
export const clientsOf = (address: Address): { readonly open: OpenApi; readonly home: () => Promise<Api> } => {
  const opened = new Map<string, Promise<Api>>();
  const open: OpenApi = ({ region = address.region, role }) => {
    const key = `${region} ${role?.arn}`;
    const known = opened.get(key);
    if (known !== undefined) return known;
    const api = load(address, { region, role });
    opened.set(key, api);
    return api;
  };
  return { open, home: () => open({}) };
};

const load = async ({ endpoint, cluster, region: home }: Address, { region, role }: Place): Promise<Api> => {
  const { clientAt, openApi } = await import('./api.ts');
  const credentials = role === undefined ? undefined : (await import('./role.ts')).assumed(role, home);
  const at = { region, endpoint, credentials };
  const api = await openApi(clientAt(at));
  return cluster ? (await import('./cluster-api.ts')).openClusterApi(clientAt(at), api) : api;
};
