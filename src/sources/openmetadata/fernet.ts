import { createDecipheriv, createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Assertion } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import { type Catalogue, entityTables, has } from './tables.ts';

/** Bytes of a fernet key: one half signs, the other encrypts. */
const KEY_BYTES = 32;
const HALF = KEY_BYTES / 2;
/** Version, time, IV before the ciphertext; HMAC-SHA256 behind it. */
const IV_AT = 9;
const CIPHERTEXT_AT = IV_AT + 16;
const HMAC_BYTES = 32;
const VERSION = 0x80;
/** Hex digits of sha256 that tell keys apart and give nothing away. */
const FINGERPRINT_DIGITS = 12;

const TOKEN = /fernet:([\w-]+={0,2})/;
const Row = z.object({ j: z.string() });

/** Whether the secrets in the catalogue open with the key: its fingerprint, and one secret decrypted. Neither key nor secret goes further. */
export async function fernetAssertions(catalogue: Catalogue, key: string): Promise<Assertion[]> {
  const keys = key.split(',').map(parseKey);
  const token = await findToken(catalogue);
  const opens = token === undefined ? 'no secret found' : keys.some((one) => decrypts(token, one)) ? 'yes' : 'no';
  return [
    { name: 'openmetadata.fernet-key', value: keys.map(fingerprint).join(',') },
    { name: 'openmetadata.fernet-key-opens-secrets', value: opens },
  ];
}

async function findToken(catalogue: Catalogue): Promise<string | undefined> {
  const text = catalogue.dialect.jsonText('json');
  const tables = [...entityTables(catalogue), 'openmetadata_settings'].filter((name) => has(catalogue, name, 'json'));
  // Services have them first of all.
  tables.sort((a, b) => Number(b.includes('service')) - Number(a.includes('service')));
  for (const name of tables) {
    const [row] = await catalogue.query(`SELECT ${text} AS j FROM ${catalogue.table(name)} WHERE ${text} LIKE '%fernet:gAAAA%' LIMIT 1`);
    const token = row === undefined ? undefined : TOKEN.exec(Row.parse(row).j)?.[1];
    if (token !== undefined) return token;
  }
  return undefined;
}

function parseKey(text: string): Buffer {
  const key = Buffer.from(text.trim(), 'base64url');
  if (key.length === KEY_BYTES) return key;
  throw new LifeboatError('ConfigInvalid', `the fernet key has ${key.length} bytes, not ${KEY_BYTES}`, {
    hint: 'Name the secret that holds OpenMetadata’s FERNET_KEY, in base64.',
  });
}

const fingerprint = (key: Buffer): string => createHash('sha256').update(key).digest('hex').slice(0, FINGERPRINT_DIGITS);

/** https://github.com/fernet/spec; false when the signature or the padding is not that of this key. */
export function decrypts(token: string, key: Buffer): boolean {
  const bytes = Buffer.from(token, 'base64url');
  const end = bytes.length - HMAC_BYTES;
  if (bytes[0] !== VERSION || end <= CIPHERTEXT_AT) return false;
  const hmac = createHmac('sha256', key.subarray(0, HALF)).update(bytes.subarray(0, end)).digest();
  if (!timingSafeEqual(hmac, bytes.subarray(end))) return false;
  const decipher = createDecipheriv('aes-128-cbc', key.subarray(HALF), bytes.subarray(IV_AT, CIPHERTEXT_AT));
  try {
    decipher.update(bytes.subarray(CIPHERTEXT_AT, end));
    decipher.final();
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_OSSL')) return false;
    throw error;
  }
}
