import { styleText } from 'node:util';

/** Marks text for a person; without a terminal, or with NO_COLOR, it returns it as it is. */
export interface Style {
  good(text: string): string;
  bad(text: string): string;
  warn(text: string): string;
  dim(text: string): string;
  bold(text: string): string;
}

type Format = Parameters<typeof styleText>[0];

export const styleFor = (colour: boolean): Style => {
  const paint = (format: Format) => (text: string) => (colour ? styleText(format, text, { validateStream: false }) : text);
  return { good: paint('green'), bad: paint('red'), warn: paint('yellow'), dim: paint('dim'), bold: paint('bold') };
};

/** https://no-color.org: any value but the empty one. */
export const wantsColour = (isTerminal: boolean, env: Readonly<Record<string, string | undefined>>): boolean =>
  isTerminal && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
