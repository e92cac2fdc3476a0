/** The AWS Query protocol: a form comes in, XML goes out. */

export type Value = string | number | boolean | Date | undefined | Fields | List;
export interface Fields {
  readonly [name: string]: Value;
}
/** Elements of one name: `<TagList><Tag>…</Tag></TagList>`. */
export interface List {
  readonly each: string;
  readonly items: readonly (Fields | string)[];
}

/** An error as RDS answers it; `code` is the one on the wire, which the SDK turns into the name of a fault. */
export class RdsError extends Error {
  readonly code: string;
  readonly status: number;

  constructor(code: string, status = 400, message = code) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

export interface Form {
  readonly action: string;
  text(name: string): string | undefined;
  need(name: string): string;
  flag(name: string): boolean;
  list(name: string): readonly string[];
  tags(name?: string): ReadonlyMap<string, string>;
}

export const parseForm = (body: string): Form => {
  const fields = new URLSearchParams(body);
  const text = (name: string): string | undefined => fields.get(name) ?? undefined;
  const below = (name: string): [string, string][] =>
    [...fields].filter(([key]) => key.startsWith(`${name}.`)).map(([key, value]) => [key.slice(name.length + 1), value]);
  return {
    action: text('Action') ?? '',
    text,
    need(name) {
      const value = text(name);
      if (value === undefined || value === '')
        throw new RdsError('MissingParameter', 400, `The request must contain the parameter ${name}`);
      return value;
    },
    flag: (name) => text(name) === 'true',
    // `VpcSecurityGroupIds.VpcSecurityGroupId.1`
    list: (name) =>
      below(name)
        .filter(([key]) => /^\w+\.\d+$/.test(key))
        .map(([, value]) => value),
    tags(name = 'Tags') {
      const parts = new Map(below(name));
      return new Map(
        [...parts].filter(([key]) => key.endsWith('.Key')).map(([key, value]) => [value, parts.get(key.replace(/\.Key$/, '.Value')) ?? '']),
      );
    },
  };
};

export const answer = (action: string, result: Fields, namespace = 'http://rds.amazonaws.com/doc/2014-10-31/'): string =>
  `<${action}Response xmlns="${namespace}"><${action}Result>${inner(result)}</${action}Result>` +
  `<ResponseMetadata><RequestId>00000000-0000-4000-8000-000000000000</RequestId></ResponseMetadata></${action}Response>`;

export const refusal = (error: RdsError): string =>
  `<ErrorResponse xmlns="http://rds.amazonaws.com/doc/2014-10-31/"><Error><Type>${error.status < 500 ? 'Sender' : 'Receiver'}</Type>` +
  `<Code>${escapeXml(error.code)}</Code><Message>${escapeXml(error.message)}</Message></Error><RequestId>0</RequestId></ErrorResponse>`;

export const tagList = (tags: ReadonlyMap<string, string>): List => ({
  each: 'Tag',
  items: [...tags].map(([Key, Value]) => ({ Key, Value })),
});

const inner = (fields: Fields): string =>
  Object.entries(fields)
    .map(([name, value]) => (value === undefined ? '' : `<${name}>${content(value)}</${name}>`))
    .join('');

const content = (value: Exclude<Value, undefined>): string => {
  if (value instanceof Date) return value.toISOString();
  if (typeof value !== 'object') return escapeXml(String(value));
  return isList(value)
    ? value.items.map((item) => `<${value.each}>${typeof item === 'string' ? escapeXml(item) : inner(item)}</${value.each}>`).join('')
    : inner(value);
};

const isList = (value: Fields | List): value is List => Array.isArray(value['items']);

const escapeXml = (text: string): string => text.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;' })[c] ?? '&gt;');
