import type { Json } from '../backup/types.ts';

const HIDDEN = '***';

/** Shorter than this, replacing a secret everywhere would garble every message; its URL is redacted still. */
const SECRET_MIN_LENGTH = 4;

/** `user:password@` of a URL anywhere in a text; the password ends at the last `@` before the path. */
const USER_INFO = /([a-z][a-z0-9+.-]*:\/\/[^\s:@/?#]*):([^\s/?#]*)@/gi;

/** A password that should have been percent-encoded (`/`, `?`, `#`); a port, which looks alike, is left alone. */
const RAW_USER_INFO = /([a-z][a-z0-9+.-]*:\/\/[^\s:@/?#]*):(?!\d+(?:[/?#"',]|$))([^\s"'<>]*)@/gi;

/** Query parameters that carry a secret, as in `?password=…`. */
const SECRET_PARAMETER = /([?&](?:password|passwd|pwd|secret|token|api[-_]?key|access[-_]?key|secret[-_]?key)=)[^&\s#]*/gi;

/** Names of fields that hold a secret, or a reference to one. */
const SECRET_FIELD = /password|secret|token|api-?_?key|access-?_?key|fernet/i;

const REFERENCE = /^(env:[A-Za-z_][A-Za-z0-9_]*|file:\/[^/].*|secretsmanager:arn:.+)$/;

/** `env:NAME`, `file:/path`, `secretsmanager:<arn>`: names a secret and is none. */
export const isReference = (text: string): boolean => REFERENCE.test(text);

/** Hides the password of every URL in a text; a reference in its place is shown. */
export const redactUrls = (text: string): string =>
  text.replace(USER_INFO, hidePassword).replace(RAW_USER_INFO, hidePassword).replace(SECRET_PARAMETER, `$1${HIDDEN}`);

const hidePassword = (whole: string, before: string, password: string): string =>
  password === '' || isReference(decoded(password)) ? whole : `${before}:${HIDDEN}@`;

/** Hides URL passwords and every known secret, as it is and percent-encoded. For messages, which may quote a server's answer. */
export const redactAll = (text: string, secrets: Iterable<string>): string => {
  let redacted = redactUrls(text);
  const known = [...new Set(secrets)].filter((secret) => secret.length >= SECRET_MIN_LENGTH);
  // The longest first: one secret may be a part of another.
  for (const secret of known.sort((a, b) => b.length - a.length))
    redacted = redacted.replaceAll(secret, HIDDEN).replaceAll(encodeURIComponent(secret), HIDDEN);
  return redacted;
};

/** The password and the secret parameters that a URL carries literally. */
export const secretsInUrl = (text: string): string[] => {
  const passwords = [...text.matchAll(USER_INFO), ...text.matchAll(RAW_USER_INFO)].map((match) => match[2] ?? '');
  const parameters = [...text.matchAll(SECRET_PARAMETER)].map((match) => match[0].slice((match[1] ?? '').length));
  return [...passwords, ...parameters].flatMap((found) => [found, decoded(found)]).filter((found) => found !== '' && !isReference(found));
};

/** Every literal secret in an address or an environment: in fields that are named like one, and in URLs. */
export const literalSecrets = (value: Json): string[] => [...new Set(secretsIn(value, ''))];

const secretsIn = (value: Json, field: string): string[] => {
  if (typeof value === 'string') return [...secretsInUrl(value), ...(SECRET_FIELD.test(field) && !isReference(value) ? [value] : [])];
  if (typeof value !== 'object' || value === null) return [];
  if (isList(value)) return value.flatMap((item) => secretsIn(item, field));
  return Object.entries(value).flatMap(([name, item]) => secretsIn(item, name));
};

const isList = (value: Json): value is readonly Json[] => Array.isArray(value);

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};
