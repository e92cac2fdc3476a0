import type { Services } from '../contract.ts';
import { type JuicefsAddress, pathOf, portOf, userOf } from './address.ts';

/** What juicefs itself takes for the engine, without the password, which goes through its environment as META_PASSWORD. */
export const metaUrlOf = (address: JuicefsAddress, { temporary }: Pick<Services, 'temporary'>): string => {
  const { engine, host, database, schema, tablePrefix, tls } = address;
  const name = userOf(address);
  const user = name === '' ? '' : `${encodeURIComponent(name)}@`;
  const options = new URLSearchParams();
  if (tablePrefix !== undefined) options.set('table_prefix', tablePrefix);
  if (engine === 'postgres') {
    if (schema !== 'public') options.set('search_path', schema);
    options.set('sslmode', tls === 'prefer' ? 'disable' : tls);
  }
  const query = options.size === 0 ? '' : `?${options}`;
  switch (engine) {
    case 'postgres':
      return `postgres://${user}${host}:${portOf(address)}/${database}${query}`;
    case 'mysql':
      return `mysql://${user}(${host}:${portOf(address)})/${database}${query}`;
    case 'sqlite3':
      return `sqlite3://${pathOf(address, temporary)}${query}`;
    case 'redis':
    case 'rdb':
      return `${tls === 'require' ? 'rediss' : 'redis'}://${user}${host}:${portOf(address)}/${database === '' ? '0' : database}`;
  }
};
