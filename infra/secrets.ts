import type { Json } from '../src/backup/types.ts';

const MANAGED = 'secretsmanager:';
const SECRET_ARN = /^arn:aws:secretsmanager:[a-z0-9-]+:\d{12}:secret:[A-Za-z0-9/_+=.@-]+$/;

type Fail = (field: string, problem: string, hint?: string) => never;

/**
 * ARNs of the secrets that an address names, at whatever depth. Fails on secrets that a function on AWS cannot have: of this
 * machine's environment, of its files, and in clear text.
 */
export const parseSecretReferences = (address: Json, path: string, fail: Fail): readonly string[] => {
  if (typeof address === 'string') return referenceIn(address, path, fail);
  if (typeof address !== 'object' || address === null) return [];
  const found = Object.entries(address).flatMap(([field, value]) => {
    const at = `${path}.${field}`;
    if (/^inline[A-Z]/.test(field)) fail(at, 'is a secret in clear text', 'Write secretsmanager:<arn>.');
    if ((field === 'sslmode' || field === 'tls') && value === 'prefer')
      fail(
        at,
        'is prefer, which goes on without encryption when the server says so',
        'Write verify-full; require or disable if you mean it.',
      );
    return value === undefined ? [] : parseSecretReferences(value, at, fail);
  });
  return [...new Set(found)];
};

const referenceIn = (text: string, path: string, fail: Fail): readonly string[] => {
  if (/^(env:[A-Za-z_]|file:\/[^/])/.test(text))
    fail(path, `is ${text}, which a function on AWS does not have`, 'Write secretsmanager:<arn>.');
  if (!text.startsWith(MANAGED)) return [];
  // A field of it, after #, makes no difference to a policy.
  const arn = text.slice(MANAGED.length).replace(/#[\w.-]+$/, '');
  if (!SECRET_ARN.test(arn)) fail(path, `is ${text}, which is not the whole ARN of a secret`, 'Policies name secrets by their ARNs.');
  return [arn];
};
