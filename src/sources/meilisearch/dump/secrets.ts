import type { Json } from '../../../backup/types.ts';
import type { DumpContents } from './contents.ts';

/** Kinds of secrets that a dump holds in clear, each with how many; never a value. */
export const secretsIn = ({
  indexes,
  webhooks,
  network,
  chats,
}: Pick<DumpContents, 'indexes' | 'webhooks' | 'network' | 'chats'>): string[] => {
  const embedders = indexes.reduce((sum, { settings }) => sum + keysIn(settings['embedders'] ?? null), 0);
  const headers = Object.values(webhooks).reduce((sum, webhook) => sum + Object.keys(webhook.headers).length, 0);
  const remotes = Object.values(network?.remotes ?? {}).reduce(
    (sum, remote) => sum + [remote['searchApiKey'], remote['writeApiKey']].filter((key) => typeof key === 'string').length,
    0,
  );
  const ofChats = [...chats.values()].filter(({ apiKey }) => typeof apiKey === 'string').length;
  return [
    { what: 'keys of embedders', many: embedders },
    { what: 'headers of webhooks', many: headers },
    { what: 'keys of remote instances', many: remotes },
    { what: 'keys of chats', many: ofChats },
  ].flatMap(({ what, many }) => (many === 0 ? [] : [`${many} ${what}`]));
};

/** Composite embedders have others within. */
const keysIn = (value: Json): number => {
  if (typeof value !== 'object' || value === null) return 0;
  return Object.entries(value).reduce((sum, [name, item]) => sum + (name === 'apiKey' && typeof item === 'string' ? 1 : keysIn(item)), 0);
};
