/** An error as S3 answers it. */
export class S3Error extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string = code) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** What an operation answers; `body` as a Buffer goes out as it is. */
export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: string | Buffer;
}

export const escapeXml = (text: string): string =>
  text.replace(/[&<>"\r]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] ?? '&#13;');

const unescapeXml = (text: string): string =>
  text.replace(/&(amp|lt|gt|quot|apos|#(\d+));/g, (_, name: string, code?: string) =>
    code === undefined ? ({ amp: '&', lt: '<', gt: '>', quot: '"' }[name] ?? "'") : String.fromCodePoint(Number(code)),
  );

type Value = string | number | boolean | undefined | Fields | readonly Fields[];
interface Fields {
  readonly [name: string]: Value;
}

/** Elements in the order of the fields; an array repeats its element; undefined is left out. */
export const xml = (root: string, fields: Fields): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner(fields)}</${root}>`;

const inner = (fields: Fields): string =>
  Object.entries(fields)
    .map(([name, value]) => element(name, value))
    .join('');

const element = (name: string, value: Value): string => {
  if (value === undefined) return '';
  if (isList(value)) return value.map((one) => `<${name}>${inner(one)}</${name}>`).join('');
  return `<${name}>${typeof value === 'object' ? inner(value) : escapeXml(String(value))}</${name}>`;
};

const isList = (value: Value): value is readonly Fields[] => Array.isArray(value);

/** The texts of all elements of a name, for the few small documents that clients send. */
export const texts = (document: string, name: string): string[] =>
  [...document.matchAll(new RegExp(`<${name}(?:\\s[^>]*)?>([\\s\\S]*?)</${name}>`, 'g'))].map(([, text]) => unescapeXml(text ?? ''));
