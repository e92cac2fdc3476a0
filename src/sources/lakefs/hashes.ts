import { createHash } from 'node:crypto';

export const hashOf = async (
  body: AsyncIterable<Uint8Array>,
): Promise<{ readonly bytes: number; readonly md5: string; readonly sha256: string }> => {
  const [md5, sha256] = [createHash('md5'), createHash('sha256')];
  let bytes = 0;
  for await (const chunk of body) {
    md5.update(chunk);
    sha256.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, md5: md5.digest('hex'), sha256: sha256.digest('hex') };
};

export const md5Of = async (body: AsyncIterable<Uint8Array>): Promise<string> => {
  const md5 = createHash('md5');
  for await (const chunk of body) md5.update(chunk);
  return md5.digest('hex');
};
