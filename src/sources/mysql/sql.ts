/** Quotes for statements under sql_mode without ANSI_QUOTES and NO_BACKSLASH_ESCAPES, as every session here is set. */

export const identifier = (name: string): string => `\`${name.replaceAll('`', '``')}\``;

const ESCAPES: Readonly<Record<string, string>> = { '\0': '\\0', '\n': '\\n', '\r': '\\r', '\x1a': '\\Z', "'": "\\'", '\\': '\\\\' };

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that must not stand in a literal
const ESCAPED = /[\0\n\r\x1a'\\]/g;

export const literal = (text: string): string => `'${text.replaceAll(ESCAPED, (character) => ESCAPES[character] ?? character)}'`;

export const columnList = (names: readonly string[]): string => names.map(identifier).join(',');
