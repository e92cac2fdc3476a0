import { tmpdir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { z } from 'zod';
import { isReference } from '../../environment/redact.ts';
import { LifeboatError } from '../../errors.ts';

export const SCHEMES = ['meilisearch+http', 'meilisearch+https', 'meilisearch+file'] as const;

/**
 * Where a Meilisearch instance lives and how to log in; or, to restore into, the folder of a database, which a `meilisearch` program on
 * this machine makes of a dump.
 */
export const MeilisearchAddressSchema = z
  .strictObject({
    url: z
      .string()
      .regex(/^https?:\/\/[^\s?#@]+$/, 'not an http or https URL without user, query and fragment')
      .optional()
      .describe('Of the instance: https://search.example.com or http://127.0.0.1:7700.'),
    folder: z
      .string()
      .startsWith('/')
      .optional()
      .describe(
        'In place of url, for targets: the --db-path of a database that is made by meilisearch --import-dump. Drills make theirs below it.',
      ),
    binary: z
      .string()
      .startsWith('/')
      .optional()
      .describe('The meilisearch program that makes the database in folder; without it MEILISEARCH_BIN counts, then the PATH.'),
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
    secrets: z
      .record(
        z.string().regex(/^(indexes|chats|webhooks)\/.+/, 'not the place of a secret'),
        z.string().refine(isReference, 'not a reference to a secret'),
      )
      .optional()
      .describe('Of targets: references to the secrets that a server had not shown, by their places, as "lifeboat show" names them.'),
    /** Of a scratch instance: the drill that it belongs to. */
    scratchName: z.string().optional(),
  })
  .refine(({ url, folder }) => (url === undefined) !== (folder === undefined), { error: 'one of url and folder is needed', path: ['url'] })
  .refine(({ binary, folder }) => binary === undefined || folder !== undefined, { error: 'binary belongs to folder', path: ['binary'] });

export type MeilisearchAddress = z.output<typeof MeilisearchAddressSchema>;

/** A running instance. */
export type InstanceAddress = MeilisearchAddress & { readonly url: string };

/** A database on this machine, at rest. */
export type FolderAddress = MeilisearchAddress & { readonly folder: string };

export const isFolder = (address: MeilisearchAddress): address is FolderAddress => address.folder !== undefined;

/** Fails with Unsupported for a folder: what is to be backed up must run. */
export const instanceAt = (address: MeilisearchAddress): InstanceAddress => {
  const { url } = address;
  if (url !== undefined) return { ...address, url };
  throw new LifeboatError('Unsupported', `${redact(address)} is a target, not a source`, {
    hint: 'Start Meilisearch on that folder, and give its URL.',
  });
};

/** `meilisearch+https://host`, with the key, or a reference to it, as the password; `meilisearch+file:///folder`. Fails with Usage. */
export const addressFromUrl = (url: URL): MeilisearchAddress =>
  url.protocol === 'meilisearch+file:' ? folderFromUrl(url) : instanceFromUrl(url);

const instanceFromUrl = (url: URL): MeilisearchAddress => {
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

const folderFromUrl = (url: URL): MeilisearchAddress => {
  const folder = resolve(decodeURIComponent(url.pathname));
  const shown = `meilisearch+file://${folder}`;
  const unknown = [...url.searchParams.keys()].find((name) => name !== 'binary');
  if (unknown !== undefined || url.hash !== '')
    throw new LifeboatError('Usage', `unknown parameter "${unknown ?? url.hash}" in ${shown}`, { hint: 'Known is binary.' });
  const binary = url.searchParams.get('binary');
  const parsed = MeilisearchAddressSchema.safeParse({ folder, ...(binary === null ? {} : { binary }) });
  if (parsed.success && url.host === '' && folder !== '/') return parsed.data;
  throw new LifeboatError('Usage', `${shown} names no folder`, { hint: 'It is meilisearch+file:///folder?binary=/path/of/meilisearch.' });
};

/** For people and records: no key. */
export const redact = ({ url, folder, scratchName }: MeilisearchAddress): string =>
  folder === undefined ? `meilisearch+${url ?? ''}${scratchName === undefined ? '' : ` (${scratchName})`}` : `meilisearch+file://${folder}`;

/**
 * An instance has no room for a second one: a drill needs one that is empty, and marks it as its own. Below a folder there is room for
 * any number.
 */
export const scratchOf = (address: MeilisearchAddress, name: string): MeilisearchAddress => ({
  ...address,
  scratchName: name,
  ...(isFolder(address) ? { folder: join(address.folder, name) } : {}),
});

/** With a program at hand a drill needs no instance: it makes its database among the temporary files of this machine. */
export const ownScratch = (binary: string | undefined): { readonly ownScratch?: MeilisearchAddress } =>
  binary === undefined || !isAbsolute(binary)
    ? {}
    : { ownScratch: MeilisearchAddressSchema.parse({ folder: join(tmpdir(), 'lifeboat-meilisearch'), binary }) };

/** Two names of one machine are one place. */
export const placeOf = ({ url, folder }: MeilisearchAddress): string => {
  if (folder !== undefined) return `file://${folder}`;
  const { protocol, hostname, port, pathname } = new URL(url ?? '');
  const host = hostname === 'localhost' || hostname === '[::1]' ? '127.0.0.1' : hostname;
  return `${host}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}${pathname.replace(/\/$/, '')}`;
};
