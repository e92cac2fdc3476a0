import { damaged, unknown } from './damage.ts';
import { readLength, readString, skipString } from './read-string.ts';
import { kindOf, readValue, skipModule, skipValue, type ValueKind } from './values.ts';
import { openWindow } from './window.ts';

/** A key that was asked for, or a piece of it. */
export interface Piece {
  /** As `nameOf` called it. */
  readonly name: string;
  readonly kind: ValueKind;
  /** Of a large value, from 0. */
  readonly part: number;
  /** Flat, as `readValue` has them; a view of a buffer that nobody fills again. */
  readonly items: readonly Buffer[];
}

/** What the file says of itself before its keys: `redis-ver`, `ctime`, `repl-id`, … */
export type Aux = ReadonlyMap<string, string>;

export interface RdbFile {
  /** Goes through the keys of one database that have a name. Ends only after the checksum was right. */
  pieces(): Generator<Piece>;
  readonly aux: Aux;
  /** Version of the format; known once the first piece was read. */
  readonly version: number;
}

const OPCODE = {
  slotInfo: 244,
  function: 245,
  moduleAux: 247,
  idle: 248,
  frequency: 249,
  aux: 250,
  resize: 251,
  expireMilliseconds: 252,
  expireSeconds: 253,
  select: 254,
  end: 255,
} as const;

const HEADER_BYTES = 9;
/** Format of Redis 5; older ones differ in their checksums and types. */
const VERSION_MIN = 9;
const AUX_MAX = 100;
const CHECKSUM_BYTES = 8;
/** A number of a database that a key is asked for in. */
export interface Wanted {
  readonly database: number;
  /** What a key is called; undefined for one that nobody wants. */
  nameOf(key: Buffer): string | undefined;
}

/** Reads, by its descriptor, a dump file of Redis 5 and newer, or of Valkey, key by key in bounded memory. Fails with ArtifactInvalid, Unsupported. */
export const openRdb = (file: number, { database, nameOf }: Wanted): RdbFile => {
  const window = openWindow(file);
  const aux = new Map<string, string>();
  let version = 0;

  function* pieces(): Generator<Piece> {
    const header = window.bytes(HEADER_BYTES, HEADER_BYTES).toString('latin1');
    const [, magic, digits] = /^(REDIS|VALKEY)(\d{3,4})$/.exec(header) ?? [];
    if (digits === undefined) throw damaged('it does not begin with REDIS or VALKEY', 0);
    version = Number(digits);
    const valkey = magic === 'VALKEY';
    if (version < VERSION_MIN) throw unknown(`the format ${version}, of a server before Redis 5`, 0);
    let selected = 0;
    let expires: bigint | undefined;
    for (;;) {
      const code = window.u8();
      switch (code) {
        case OPCODE.end:
          return finish();
        case OPCODE.select:
          selected = readLength(window);
          break;
        case OPCODE.resize:
          readLength(window);
          readLength(window);
          break;
        case OPCODE.slotInfo:
          for (let i = 0; i < 3; i++) readLength(window);
          break;
        case OPCODE.aux: {
          const name = readString(window).toString('latin1');
          const value = readString(window).toString('utf8');
          if (aux.size < AUX_MAX) aux.set(name, value);
          break;
        }
        case OPCODE.function:
          skipString(window);
          break;
        case OPCODE.moduleAux:
          readLength(window);
          readLength(window);
          readLength(window);
          skipModule(window);
          break;
        case OPCODE.idle:
          readLength(window);
          break;
        case OPCODE.frequency:
          window.u8();
          break;
        case OPCODE.expireMilliseconds:
          expires = window.bytes(8, 8).readBigInt64LE(0);
          break;
        case OPCODE.expireSeconds:
          expires = BigInt(window.bytes(4, 4).readInt32LE(0)) * 1000n;
          break;
        default: {
          if (code > 127) throw unknown(`the opcode ${code}`, window.position);
          yield* entry(code, selected === database, expires, valkey);
          expires = undefined;
        }
      }
    }
  }

  function* entry(type: number, here: boolean, expires: bigint | undefined, valkey: boolean): Generator<Piece> {
    if (!here) {
      skipString(window);
      return skipValue(window, type, valkey);
    }
    const key = readString(window);
    const name = nameOf(key);
    if (name === undefined || isOver(expires)) return skipValue(window, type, valkey);
    const kind = kindOf(type);
    if (kind === undefined) throw unknown(`the key ${shown(key)} with a value of the type ${type}`, window.position);
    let part = 0;
    for (const items of readValue(window, type)) yield { name, kind, part: part++, items };
  }

  /** A server writes keys whose time is over, and does not load them. */
  const isOver = (expires: bigint | undefined): boolean => expires !== undefined && expires <= BigInt(aux.get('ctime') ?? 0) * 1000n;

  const finish = (): void => {
    if (window.position + CHECKSUM_BYTES !== window.size) throw damaged('it has not 8 bytes of checksum at its end', window.position);
    const stored = window.bytes(CHECKSUM_BYTES, CHECKSUM_BYTES).readBigUInt64LE(0);
    // Nothing but zeros says that the server was told not to sum.
    if (stored !== 0n && stored !== window.checksum()) throw damaged('its checksum is that of other bytes', window.position);
  };

  return {
    pieces,
    aux,
    get version() {
      return version;
    },
  };
};

const shown = (key: Buffer): string =>
  key
    .subarray(0, 40)
    .toString('latin1')
    .replace(/[^\x20-\x7e]/g, '?');
