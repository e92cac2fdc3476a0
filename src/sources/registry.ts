import { redactUrls } from '../environment/redact.ts';
import { LifeboatError } from '../errors.ts';
import type { Services } from './contract.ts';
import { juicefs } from './juicefs/kind.ts';
import { lakefs } from './lakefs/kind.ts';
import { meilisearch } from './meilisearch/kind.ts';
import { mysql } from './mysql/kind.ts';
import { postgres } from './postgres/kind.ts';
import { rds } from './rds/kind.ts';
import { type AnyKind, anyKind, type System } from './system.ts';

/** Every kind of source; a test holds this list equal to the folders of src/sources/. */
export const kinds: readonly AnyKind[] = [
  anyKind(juicefs(async () => (await import('./engines.ts')).joinMysqlLanes)),
  anyKind(lakefs),
  anyKind(meilisearch),
  anyKind(mysql),
  anyKind(postgres),
  anyKind(rds(async () => (await import('./engines.ts')).engines)),
];

/** Fails with ConfigInvalid when there is no such kind. */
export const kindNamed = (name: string): AnyKind => {
  const found = kinds.find((kind) => kind.kind === name);
  if (found === undefined)
    throw new LifeboatError('ConfigInvalid', `unknown kind of source: ${name}`, {
      hint: `Known kinds: ${kinds.map((kind) => kind.kind).join(', ')}.`,
    });
  return found;
};

/** Binds an address as an environment file or a System has it. */
export const systemOf = (entry: { readonly kind: string; readonly address: unknown }, path = 'address'): System =>
  kindNamed(entry.kind).system(entry.address, path);

/** `postgres://user@host/db`; fails with Usage on what is not a URL of a known kind. */
export const systemFromUrl = (text: string): System => {
  const { kind, url } = kindOfUrl(text);
  return kind.systemFromUrl(url);
};

/** The systems of a server that is named by a URL without any. Fails with Usage where a kind has no servers of many. */
export const membersOfServer = (text: string, services: Services): AsyncIterable<System> => {
  const { kind, url } = kindOfUrl(text);
  if (kind.members !== undefined) return kind.members.list(url, services);
  throw new LifeboatError('Usage', `a URL of kind ${kind.kind} names one system, there is no --all of it`, {
    hint: 'Leave --all out.',
  });
};

export const kindOfUrl = (text: string): { readonly kind: AnyKind; readonly url: URL } => {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  const kind = kinds.find((candidate) => scheme !== undefined && candidate.schemes.includes(scheme));
  if (kind === undefined)
    throw new LifeboatError('Usage', `not the URL of a system that can be backed up: ${redactUrls(text)}`, {
      hint: `It begins with one of ${kinds.flatMap((known) => known.schemes.map((name) => `${name}://`)).join(', ')}.`,
    });
  if (!URL.canParse(text))
    throw new LifeboatError('Usage', `not a URL: ${redactUrls(text)}`, { hint: 'Percent-encode special characters of a password.' });
  return { kind, url: new URL(text) };
};
