/** Rows on their way into PostgreSQL: COPY's text format, in blocks. */
export type Value = string | number | boolean | null | Uint8Array;

export interface TableRows {
  readonly table: string;
  /** The written ones; generated, serial and defaulted columns are left out. */
  readonly columns: readonly string[];
  rows(): Iterable<readonly Value[]>;
}

export interface Block {
  readonly bytes: Buffer;
  readonly rows: number;
}

/** Large enough that the round trip does not count, small enough that progress moves. */
const BLOCK_CHARACTERS = 256 * 1024;

export function* copyBlocks(rows: Iterable<readonly Value[]>): Generator<Block> {
  let lines: string[] = [];
  let characters = 0;
  for (const row of rows) {
    const line = row.map(textOf).join('\t');
    lines.push(line);
    characters += line.length;
    if (characters >= BLOCK_CHARACTERS) {
      yield blockOf(lines);
      lines = [];
      characters = 0;
    }
  }
  if (lines.length > 0) yield blockOf(lines);
}

const blockOf = (lines: readonly string[]): Block => ({ bytes: Buffer.from(`${lines.join('\n')}\n`), rows: lines.length });

function textOf(value: Value): string {
  if (value === null) return '\\N';
  if (value instanceof Uint8Array) return `\\\\x${Buffer.from(value).toString('hex')}`;
  return typeof value === 'string' ? escaped(value) : String(value);
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

const escaped = (text: string): string => text.replace(/[\\\t\n\r]/g, (character) => ESCAPES[character] ?? character);
