import { damaged, unknown } from './damage.ts';
import { intset, listpack, ziplist } from './packed.ts';
import { readLength, readString, skipString } from './read-string.ts';
import type { Window } from './window.ts';

export type ValueKind = 'string' | 'list' | 'set' | 'zset' | 'hash';

/** Types of values by their number in the file. */
const TYPE = {
  string: 0,
  list: 1,
  set: 2,
  zset: 3,
  hash: 4,
  zset2: 5,
  module: 7,
  zipmap: 9,
  listZiplist: 10,
  setIntset: 11,
  zsetZiplist: 12,
  hashZiplist: 13,
  quicklist: 14,
  stream: 15,
  hashListpack: 16,
  zsetListpack: 17,
  quicklist2: 18,
  stream2: 19,
  setListpack: 20,
  stream3: 21,
  /** Of Redis 7.4 before its release; Valkey 9 gave the number another meaning. */
  hashExpiring22: 22,
  hashExpiring23: 23,
  hashExpiring24: 24,
  hashExpiring25: 25,
} as const;

const KINDS: ReadonlyMap<number, ValueKind> = new Map([
  [TYPE.string, 'string'],
  [TYPE.list, 'list'],
  [TYPE.listZiplist, 'list'],
  [TYPE.quicklist, 'list'],
  [TYPE.quicklist2, 'list'],
  [TYPE.set, 'set'],
  [TYPE.setIntset, 'set'],
  [TYPE.setListpack, 'set'],
  [TYPE.zset, 'zset'],
  [TYPE.zset2, 'zset'],
  [TYPE.zsetZiplist, 'zset'],
  [TYPE.zsetListpack, 'zset'],
  [TYPE.hash, 'hash'],
  [TYPE.hashZiplist, 'hash'],
  [TYPE.hashListpack, 'hash'],
]);

/** Undefined for what is only skipped: streams, modules, hashes whose fields expire. */
export const kindOf = (type: number): ValueKind | undefined => KINDS.get(type);

/** Elements of one piece; both of a pair are in one. */
const PIECE_ELEMENTS = 2000;
const NODE = { plain: 1, packed: 2 } as const;

/**
 * A value as a flat list: the string; elements of a list or set; field and value of a hash, member and score of a sorted set in turn.
 * In pieces, of which a large value has several.
 */
export function* readValue(window: Window, type: number): Generator<readonly Buffer[]> {
  const at = window.position;
  switch (type) {
    case TYPE.string:
      return yield [readString(window)];
    case TYPE.list:
    case TYPE.set:
      return yield* many(readLength(window), () => [readString(window)]);
    case TYPE.hash:
      return yield* many(readLength(window), () => [readString(window), readString(window)]);
    case TYPE.zset:
      return yield* many(readLength(window), () => [readString(window), readScore(window)]);
    case TYPE.zset2:
      return yield* many(readLength(window), () => [readString(window), scoreText(window.bytes(8, 8).readDoubleLE(0))]);
    case TYPE.listZiplist:
      return yield ziplist(readString(window), at);
    case TYPE.zsetZiplist:
    case TYPE.hashZiplist:
      return yield paired(ziplist(readString(window), at), at);
    case TYPE.setListpack:
      return yield listpack(readString(window), at);
    case TYPE.zsetListpack:
    case TYPE.hashListpack:
      return yield paired(listpack(readString(window), at), at);
    case TYPE.setIntset:
      return yield intset(readString(window), at);
    case TYPE.quicklist:
      return yield* many(readLength(window), () => ziplist(readString(window), window.position));
    case TYPE.quicklist2:
      return yield* many(readLength(window), () => readNode(window));
    default:
      throw unknown(`a value of the type ${type}`, at);
  }
}

function* many(count: number, next: () => readonly Buffer[]): Generator<readonly Buffer[]> {
  let piece: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    const some = next();
    if (some.length <= 2) for (const one of some) piece.push(one);
    else piece = piece.concat(some);
    if (piece.length < PIECE_ELEMENTS) continue;
    yield piece;
    piece = [];
  }
  if (piece.length > 0) yield piece;
}

const paired = (elements: Buffer[], at: number): Buffer[] => {
  if (elements.length % 2 === 1) throw damaged('a hash or a sorted set with half a pair', at);
  return elements;
};

const readNode = (window: Window): readonly Buffer[] => {
  const container = readLength(window);
  const at = window.position;
  if (container === NODE.plain) return [readString(window)];
  if (container === NODE.packed) return listpack(readString(window), at);
  throw damaged(`a part of a list of the kind ${container}`, at);
};

const scoreText = (score: number): Buffer => Buffer.from(String(score), 'latin1');

/** Text behind its length; three lengths stand for what is no number. */
const readScore = (window: Window): Buffer => {
  const length = window.u8();
  if (length === 253) return scoreText(Number.NaN);
  if (length === 254) return scoreText(Number.POSITIVE_INFINITY);
  return length === 255 ? scoreText(Number.NEGATIVE_INFINITY) : window.bytes(length, 252);
};

const times = (count: number, work: () => void): void => {
  for (let i = 0; i < count; i++) work();
};

const skipStrings = (window: Window, count: number): void => times(count, () => skipString(window));
const skipLengths = (window: Window, count: number): void => times(count, () => readLength(window));

/** Past one value; `valkey` because both servers gave one number to two types. */
type Skip = (window: Window, valkey: boolean) => void;

const skipEach =
  (skip: (window: Window) => void): Skip =>
  (window) =>
    times(readLength(window), () => skip(window));

const skipExpiring: Skip = (window, valkey) => {
  times(readLength(window), () => {
    if (valkey) {
      skipStrings(window, 2);
      window.skip(8);
    } else {
      readLength(window);
      skipStrings(window, 2);
    }
  });
};

/** A pending entry: 16 bytes of id; with its group, also a time and how often it was delivered. */
const ID_BYTES = 16;
const TIME_BYTES = 8;

const skipStream = (window: Window, type: number): void => {
  times(readLength(window), () => skipStrings(window, 2));
  skipLengths(window, type === TYPE.stream ? 3 : 8);
  times(readLength(window), () => {
    skipString(window);
    skipLengths(window, type === TYPE.stream ? 2 : 3);
    times(readLength(window), () => {
      window.skip(ID_BYTES + TIME_BYTES);
      readLength(window);
    });
    times(readLength(window), () => {
      skipString(window);
      window.skip(type === TYPE.stream3 ? 2 * TIME_BYTES : TIME_BYTES);
      times(readLength(window), () => window.skip(ID_BYTES));
    });
  });
};

const MODULE = { end: 0, signed: 1, unsigned: 2, float: 3, double: 4, string: 5 } as const;

/** What a module wrote says of itself what it is. */
export const skipModule = (window: Window): void => {
  for (;;) {
    const what = readLength(window);
    if (what === MODULE.end) return;
    if (what === MODULE.signed || what === MODULE.unsigned) readLength(window);
    else if (what === MODULE.float) window.skip(4);
    else if (what === MODULE.double) window.skip(8);
    else if (what === MODULE.string) skipString(window);
    else throw damaged(`a value of a module of the kind ${what}`, window.position);
  }
};

const SKIPS: ReadonlyMap<number, Skip> = new Map<number, Skip>([
  ...[
    TYPE.string,
    TYPE.zipmap,
    TYPE.listZiplist,
    TYPE.setIntset,
    TYPE.zsetZiplist,
    TYPE.hashZiplist,
    TYPE.hashListpack,
    TYPE.zsetListpack,
    TYPE.setListpack,
    TYPE.hashExpiring23,
  ].map((type): [number, Skip] => [type, skipString]),
  ...[TYPE.list, TYPE.set, TYPE.quicklist].map((type): [number, Skip] => [type, skipEach(skipString)]),
  [TYPE.hash, skipEach((window) => skipStrings(window, 2))],
  [
    TYPE.zset,
    skipEach((window) => {
      skipString(window);
      readScore(window);
    }),
  ],
  [
    TYPE.zset2,
    skipEach((window) => {
      skipString(window);
      window.skip(8);
    }),
  ],
  [
    TYPE.quicklist2,
    skipEach((window) => {
      readLength(window);
      skipString(window);
    }),
  ],
  [TYPE.hashExpiring22, skipExpiring],
  [
    TYPE.hashExpiring24,
    (window, valkey) => {
      window.skip(8);
      skipExpiring(window, valkey);
    },
  ],
  [
    TYPE.hashExpiring25,
    (window) => {
      window.skip(8);
      skipString(window);
    },
  ],
  ...[TYPE.stream, TYPE.stream2, TYPE.stream3].map((type): [number, Skip] => [type, (window) => skipStream(window, type)]),
  [
    TYPE.module,
    (window) => {
      readLength(window);
      skipModule(window);
    },
  ],
]);

/** Goes past a value of anybody. Fails with Unsupported. */
export const skipValue = (window: Window, type: number, valkey: boolean): void => {
  const skip = SKIPS.get(type);
  if (skip === undefined) throw unknown(`a value of the type ${type}`, window.position);
  skip(window, valkey);
};
