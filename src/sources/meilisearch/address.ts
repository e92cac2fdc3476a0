import { z } from 'zod';
import { isReference } from '../../environment/redact.ts';
import { LifeboatError } from '../../errors.ts';

export const SCHEMES = ['meilisearch+http', 'meilisearch+https'] as const;

/** Where a Meilisearch instance lives, and how to log in. */
export const MeilisearchAddressSchema = z.strictObject({
  url: z
    .string()
    .regex(/^https?:\/\/[^\s?#@]+$/, 'not an http or https URL without user, query and fragment')
    .describe('Of the instance: https://search.example.com or http://127.0.0.1:7700.'),
  apiKey: z.string().optional().describe('A reference to the master key or an admin key; without it MEILI_MASTER_KEY counts.'),
  /** The one of a URL. */
  inlineApiKey: z.string().optional(),
  mode: z
    .enum(['api', 'server'])
    .default('api')
    .describe('api: reads the instance over HTTP. server: the instance writes a dump, which is fetched from dumpDirectory.'),
  dumpDirectory: z.string().startsWith('/').optional().describe('Of mode server: the --dump-dir of the instance, as it is mounted here.'),
  wholeIndexes: z
    .boolean()
    .default(false)
    .describe('Reads each index by one task, so that one that changes meanwhile is read again, however large it is.'),
  /** Of a scratch instance: the drill that it belongs to. */
  scratchName: z.string().optional(),
});

export type MeilisearchAddress = z.output<typeof MeilisearchAddressSchema>;

/** `meilisearch+https://host`, with the key, or a reference to it, as the password. Fails with Usage. */
export const addressFromUrl = (url: URL): MeilisearchAddress => {
  const scheme = url.protocol.replace(/^meilisearch\+/, '');
  const path = url.pathname.replace(/\/+$/, '');
  const plain = `${scheme}//${url.host}${path}`;
  if (url.search !== '' || url.hash !== '')
    throw new LifeboatError('Usage', `nothing may follow the path of meilisearch+${plain}`, {
      hint: 'Options belong into an environment.',
    });
  const given = decodeURIComponent(url.password === '' ? url.username : url.password);
  const parsed = MeilisearchAddressSchema.safeParse({
    url: plain,
    ...(given === '' ? {} : isReference(given) ? { apiKey: given } : { inlineApiKey: given }),
  });
  if (parsed.success) return parsed.data;
  throw new LifeboatError('Usage', `meilisearch+${plain} names no instance`, { hint: 'It is meilisearch+https://host:port.' });
};

/** For people and records: no key. */
export const redact = ({ url, scratchName }: MeilisearchAddress): string =>
  `meilisearch+${url}${scratchName === undefined ? '' : ` (${scratchName})`}`;

/** Two names of one machine are one place. */
export const placeOf = ({ url }: MeilisearchAddress): string => {
  const { protocol, hostname, port, pathname } = new URL(url);
  const host = hostname === 'localhost' || hostname === '[::1]' ? '127.0.0.1' : hostname;
  return `${host}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}${pathname.replace(/\/$/, '')}`;
};
