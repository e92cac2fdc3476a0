/** Tokens as OpenMetadata keeps its secrets: https://github.com/fernet/spec */
import { createCipheriv, createHash, createHmac } from 'node:crypto';

/** OpenMetadata's own default key, printed in its documentation. It protects nothing here. */
export const DEMO_FERNET_KEY = 'jJ/9sz0g0OHxsfxOoSfdFdmk3ysNmPRnH3TUAbz3IHA=';

const VERSION = 0x80;
/** 2024-06-10T06:13:20Z; a token carries the second in which it was made. */
const MADE_AT_SECONDS = 1_718_000_000n;

/** `fernet:gAAAA…`; the IV comes from the secret, so that the demo is the same each time (a real one is random). */
export function fernet(secret: string, key: string = DEMO_FERNET_KEY): string {
  const [signingKey, encryptionKey] = halves(Buffer.from(key, 'base64'));
  const iv = createHash('sha256').update(secret).digest().subarray(0, 16);
  const cipher = createCipheriv('aes-128-cbc', encryptionKey, iv);
  const header = Buffer.alloc(9);
  header.writeUInt8(VERSION);
  header.writeBigUInt64BE(MADE_AT_SECONDS, 1);
  const signed = Buffer.concat([header, iv, cipher.update(secret, 'utf8'), cipher.final()]);
  const token = Buffer.concat([signed, createHmac('sha256', signingKey).update(signed).digest()]);
  return `fernet:${token.toString('base64').replaceAll('+', '-').replaceAll('/', '_')}`;
}

const halves = (key: Buffer): readonly [Buffer, Buffer] => [key.subarray(0, 16), key.subarray(16)];
