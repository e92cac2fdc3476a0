import { LifeboatError } from '../../../errors.ts';
import { type Into, type SqlRow, type SqlValue, string } from './sql.ts';
import { type ColumnType, tableNamed } from './tables.ts';

/** Rows as PostgreSQL takes them in binary: as COPY, and as an array a column. https://www.postgresql.org/docs/current/sql-copy.html */

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const NO_VALUE = -1;
const TWO_32 = 2 ** 32;

type Kind = 'int8' | 'int4' | 'bytea' | 'text';

const KINDS: Readonly<Record<ColumnType, Kind>> = {
  id64: 'int8',
  i64: 'int8',
  id32: 'int4',
  i32: 'int4',
  bytes: 'bytea',
  filename: 'bytea',
  target: 'bytea',
  label: 'text',
  text: 'text',
};

/** https://www.postgresql.org/docs/current/catalog-pg-type.html */
const OIDS: Readonly<Record<Kind, number>> = { int8: 20, int4: 23, bytea: 17, text: 25 };

export const kindsOf = ({ table, columns }: Into): readonly Kind[] => {
  const types = new Map(tableNamed(table).columns.map(({ name, type }) => [name, KINDS[type]]));
  return columns.map((name) => types.get(name) ?? 'text');
};

/** Bytes that are kept for the next rows; what took more is let go. */
const KEPT_BYTES = 1024 * 1024;

let buffer = Buffer.allocUnsafe(KEPT_BYTES);
let end = 0;

/** What COPY … FROM STDIN BINARY reads. */
export const copyOf = (kinds: readonly Kind[], rows: readonly SqlRow[]): Buffer => {
  end = SIGNATURE.copy(buffer);
  for (const row of rows) {
    room(2);
    end = buffer.writeInt16BE(kinds.length, end);
    for (let i = 0; i < kinds.length; i++) put(kinds[i] as Kind, row[i] ?? null);
  }
  room(2);
  end = buffer.writeInt16BE(-1, end);
  return taken();
};

/** One column of all rows: an array of one dimension. */
export const arrayOf = (kind: Kind, rows: readonly SqlRow[], column: number): Buffer => {
  end = 0;
  const [dimensions, mayBeNull, first] = [1, 1, 1];
  for (const number of [dimensions, mayBeNull, OIDS[kind], rows.length, first]) end = buffer.writeInt32BE(number, end);
  for (const row of rows) put(kind, row[column] ?? null);
  return taken();
};

const taken = (): Buffer => {
  const bytes = Buffer.from(buffer.subarray(0, end));
  if (buffer.length > KEPT_BYTES) buffer = Buffer.allocUnsafe(KEPT_BYTES);
  return bytes;
};

const room = (bytes: number): void => {
  if (end + bytes <= buffer.length) return;
  const larger = Buffer.allocUnsafe(Math.max(2 * buffer.length, end + bytes));
  buffer.copy(larger, 0, 0, end);
  buffer = larger;
};

/** A value with its length before it. */
const put = (kind: Kind, value: SqlValue): void => {
  room(12);
  if (value === null) end = buffer.writeInt32BE(NO_VALUE, end);
  else if (kind === 'int8') putLong(value);
  else if (kind === 'int4') {
    const number = Number(value);
    if ((number | 0) !== number) throw new LifeboatError('TargetProblem', `${number} does not fit 32 bits, as PostgreSQL has them here`);
    end = buffer.writeInt32BE(number, buffer.writeInt32BE(4, end));
  } else putBytes(value instanceof Uint8Array ? value : Buffer.from(string(value), 'utf8'));
};

const putLong = (value: NonNullable<SqlValue>): void => {
  end = buffer.writeInt32BE(8, end);
  if (typeof value === 'number') {
    end = buffer.writeInt32BE(Math.floor(value / TWO_32), end);
    end = buffer.writeInt32BE(value | 0, end);
    return;
  }
  const exact = typeof value === 'bigint' ? value : BigInt(string(value));
  if (BigInt.asIntN(64, exact) !== exact) throw new LifeboatError('TargetProblem', `${exact} does not fit the 64 bits of PostgreSQL`);
  end = buffer.writeBigInt64BE(exact, end);
};

const putBytes = (bytes: Uint8Array): void => {
  room(4 + bytes.length);
  end = buffer.writeInt32BE(bytes.length, end);
  buffer.set(bytes, end);
  end += bytes.length;
};
