import type { RdsAddress } from './address.ts';
import type { Api } from './api.ts';
import type { OpenApi } from './snapshot.ts';

/** One client a region, opened when it is first asked for; the SDK is loaded then. */
export const clientsOf = ({ endpoint, region: home }: RdsAddress): { readonly open: OpenApi; readonly home: () => Promise<Api> } => {
  const opened = new Map<string | undefined, Promise<Api>>();
  const open: OpenApi = (region) => {
    const at = region ?? home;
    const known = opened.get(at);
    if (known !== undefined) return known;
    const api = import('./api.ts').then(({ openApi }) => openApi({ region: at, endpoint }));
    opened.set(at, api);
    return api;
  };
  return { open, home: () => open(home) };
};
