import type { Place } from './s3-client.ts';
import { quickRequest } from './s3-quick.ts';

/** A thousand keys of a kibibyte, each escaped, with what is said of it. */
const ANSWER_MAX_BYTES = 16 * 1024 * 1024;

export interface Page {
  readonly contents: readonly Listed[];
  readonly truncated: boolean;
}

export interface Listed {
  readonly Key?: string | undefined;
  readonly Size?: number | undefined;
  readonly LastModified?: Date | undefined;
  readonly ETag?: string | undefined;
}

/**
 * One ListObjectsV2 without the SDK, whose parser takes longer over a page than S3 over the answer. Undefined where the answer is not of
 * the plain form that S3 writes: the SDK then asks again.
 */
export const quickList = async (place: Place, prefix: string, after: string): Promise<Page | undefined> => {
  const query = { 'list-type': '2', prefix, ...(after === '' ? {} : { 'start-after': after }) };
  const body = await quickRequest(place, { method: 'GET', query, answerBytes: ANSWER_MAX_BYTES }, undefined);
  return body === undefined ? undefined : parsePage(body);
};

/** Undefined unless every object has all that is wanted of it, and as many are there as the answer says. */
export const parsePage = (xml: string): Page | undefined => {
  const truncated = fieldOf(xml, 'IsTruncated', 0, xml.length);
  if (!xml.includes('<ListBucketResult') || (truncated !== 'true' && truncated !== 'false') || xml.includes('<![CDATA[')) return undefined;
  const contents: Listed[] = [];
  for (let at = xml.indexOf('<Contents>'); at >= 0; ) {
    const end = xml.indexOf('</Contents>', at);
    if (end < 0) return undefined;
    const [key, size] = [fieldOf(xml, 'Key', at, end), fieldOf(xml, 'Size', at, end)];
    const [modified, etag] = [fieldOf(xml, 'LastModified', at, end), fieldOf(xml, 'ETag', at, end)];
    if (key === undefined || size === undefined || modified === undefined || etag === undefined || !/^\d+$/.test(size)) return undefined;
    const [Key, ETag, LastModified] = [unescaped(key), unescaped(etag), new Date(modified)];
    if (Key === undefined || ETag === undefined || Number.isNaN(LastModified.getTime())) return undefined;
    contents.push({ Key, Size: Number(size), LastModified, ETag });
    at = xml.indexOf('<Contents>', end);
  }
  const count = fieldOf(xml, 'KeyCount', 0, xml.length);
  if (count !== undefined && Number(count) !== contents.length) return undefined;
  return { contents, truncated: truncated === 'true' };
};

/** The text of the first element of a name between two places. */
const fieldOf = (xml: string, name: string, from: number, to: number): string | undefined => {
  const start = xml.indexOf(`<${name}>`, from);
  if (start < 0 || start >= to) return undefined;
  const end = xml.indexOf(`</${name}>`, start);
  return end < 0 || end > to ? undefined : xml.slice(start + name.length + 2, end);
};

const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

const QUOTE = '&quot;';
/** What nearly all texts with entities are. */
const PLAIN_ETAG = /^&quot;[0-9a-f-]*&quot;$/;

/** Undefined where an entity is none that XML has without a declaration. */
const unescaped = (text: string): string | undefined => {
  if (!text.includes('&')) return text;
  if (PLAIN_ETAG.test(text)) return `"${text.slice(QUOTE.length, -QUOTE.length)}"`;
  let strange = false;
  const plain = text.replace(/&([^;&]{0,12});?/g, (_all, name: string) => {
    const code = /^#x([0-9a-f]+)$/i.exec(name)?.[1];
    const point = code === undefined ? Number(/^#(\d+)$/.exec(name)?.[1]) : Number.parseInt(code, 16);
    const known = NAMED[name] ?? (point <= 0x10ffff ? String.fromCodePoint(point) : undefined);
    strange ||= known === undefined;
    return known ?? '';
  });
  return strange ? undefined : plain;
};
