/**
 * HTML that escapes by default: only what was written in the source of this program is markup. There is no way to mark a
 * string as safe, so a value of a proof or a manifest cannot become one.
 */
const MARKUP: unique symbol = Symbol('markup');

export interface Html {
  readonly [MARKUP]: string;
}

export type Hole = string | number | Html | readonly Html[] | undefined;

/** Longest text of a backup or a drill that is shown whole, in UTF-16 units; one name must not make a page of its own. */
export const TEXT_SHOWN_MAX = 600;

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;', '`': '&#96;' };

/** Characters that show nothing, or change how others are shown: controls, bidirectional marks, separators, the byte order mark. */
const INVISIBLE = /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu;

/** For text and for quoted attributes. Invisible characters come out as `\u{202e}`, so that two names that look equal are equal. */
export const escaped = (text: string): string =>
  shorten(text.toWellFormed())
    .replace(INVISIBLE, (character) => (character === '\n' ? '\n' : `\\u{${character.charCodeAt(0).toString(16)}}`))
    .replace(/[&<>"'`]/g, (character) => ENTITIES[character] ?? '');

const shorten = (text: string): string =>
  text.length <= TEXT_SHOWN_MAX
    ? text
    : `${text.slice(0, TEXT_SHOWN_MAX).toWellFormed()} … (${(text.length - TEXT_SHOWN_MAX).toLocaleString('en-US')} more characters)`;

export const html = (literals: TemplateStringsArray, ...holes: readonly Hole[]): Html => ({
  [MARKUP]: literals.reduce((page, literal, index) => page + fill(holes[index - 1]) + literal),
});

const fill = (hole: Hole): string => {
  if (hole === undefined) return '';
  if (typeof hole === 'string') return escaped(hole);
  if (typeof hole === 'number') return String(hole);
  return 'length' in hole ? hole.map((part) => part[MARKUP]).join('') : hole[MARKUP];
};

export const textOf = (page: Html): string => page[MARKUP];
