import { redactUrls } from '../environment/redact.ts';
import { LifeboatError } from '../errors.ts';
import { juicefs } from './juicefs/kind.ts';
import { lakefs } from './lakefs/kind.ts';
import { meilisearch } from './meilisearch/kind.ts';
import { mysql } from './mysql/kind.ts';
import { postgres } from './postgres/kind.ts';
import { rds } from './rds/kind.ts';
import { type AnyKind, anyKind, type System } from './system.ts';

/** Every kind of source; a test holds this list equal to the folders of src/sources/. */
export const kinds: readonly AnyKind[] = [
  anyKind(juicefs),
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
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  const kind = kinds.find((candidate) => scheme !== undefined && candidate.schemes.includes(scheme));
  if (kind === undefined)
    throw new LifeboatError('Usage', `not the URL of a system that can be backed up: ${redactUrls(text)}`, {
      hint: `It begins with one of ${kinds.flatMap((known) => known.schemes.map((name) => `${name}://`)).join(', ')}.`,
    });
  if (!URL.canParse(text))
    throw new LifeboatError('Usage', `not a URL: ${redactUrls(text)}`, { hint: 'Percent-encode special characters of a password.' });
  return kind.systemFromUrl(new URL(text));
};
